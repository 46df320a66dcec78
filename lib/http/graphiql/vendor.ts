/**
 * Makes the files of GraphiQL beside this one from its published packages:
 * `deno run --allow-run=npm,tar --allow-read --allow-write --allow-env --allow-sys lib/http/graphiql/vendor.ts`
 *
 * They are kept here and not imported, because the packages do not export their browser builds and
 * bring a hundred others along, and because a page of ours must ask no foreign host.
 */

import { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const graphiql = "graphiql@3.9.0";
const react = "react@18.3.1";
const reactDom = "react-dom@18.3.1";

const folder = mkdtempSync(join(tmpdir(), "graphiql-"));

/** Files of a package, one after the other. */
async function unpack(name: string, ...paths: string[]): Promise<Buffer> {
  const pack = new Deno.Command("npm", { args: ["pack", "--silent", name], cwd: folder });
  const { code, stdout, stderr } = await pack.output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  const archive = new TextDecoder().decode(stdout).trim();
  const tar = new Deno.Command("tar", { args: ["xzf", archive], cwd: folder });
  if ((await tar.output()).code !== 0) throw new Error(`cannot unpack ${archive}`);
  const files = paths.map((path) => readFileSync(join(folder, "package", path)));
  Deno.removeSync(join(folder, "package"), { recursive: true });
  return Buffer.concat(files.flatMap((file) => [file, Buffer.from("\n")]));
}

function write(name: string, bytes: Uint8Array): void {
  writeFileSync(new URL(name, import.meta.url), bytes);
}

const notices = [
  await unpack(react, "LICENSE"),
  await unpack(reactDom, "LICENSE"),
  await unpack(graphiql, "LICENSE"),
];
const heads = [react, reactDom, graphiql].map((name) => Buffer.from(`${name}\n\n`));
write("LICENSES.txt", Buffer.concat(notices.flatMap((notice, i) => [heads[i]!, notice])));

const scripts = Buffer.concat([
  await unpack(react, "umd/react.production.min.js"),
  await unpack(reactDom, "umd/react-dom.production.min.js"),
  await unpack(graphiql, "graphiql.min.js"),
]);
// The source map is not shipped, and a browser would ask for it.
const plain = scripts.toString("utf8").replace(/^\/\/# sourceMappingURL=.*$/gm, "");
write("graphiql.js.gz", gzipSync(plain, { level: 9 }));
write("graphiql.css.gz", gzipSync(await unpack(graphiql, "graphiql.min.css"), { level: 9 }));
Deno.removeSync(folder, { recursive: true });
