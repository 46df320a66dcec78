/** The peer on HTTP: PostGraphile 5 as its command line starts it, one process as ours. */

import { freePort, type Running, startProgram } from "../processes.ts";
import { prepareNode } from "./packages.ts";

export interface PostGraphile extends Running {
  readonly http: string;
}

/** Starts it on every relation of the schema `public`, in Node's and its own production mode. */
export async function startPostGraphile(url: string): Promise<PostGraphile> {
  const { node, folder } = await prepareNode();
  const port = freePort();
  const { pid, stop } = await startProgram(node, {
    args: [
      `${folder}/node_modules/postgraphile/dist/cli-run.js`,
      ...["--preset", "postgraphile/presets/amber", "--connection", url, "--schema", "public"],
      ...["--host", "127.0.0.1", "--port", String(port)],
    ],
    cwd: folder,
    env: { NODE_ENV: "production", GRAPHILE_ENV: "production" },
    find: (line) => /listening/i.test(line) ? line : null,
  });
  return { pid, stop, http: `http://127.0.0.1:${port}/graphql` };
}
