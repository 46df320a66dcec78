/** A node of Elasticsearch, or of OpenSearch, that a test may end in the middle and start again. */

import { choosePort } from "../../lib/embedded/ports_and_lines.ts";
import { javaProgram } from "./java_program.ts";

export interface NodeOptions {
  /** Where it keeps its data: another start in the same folder has them again. */
  readonly folder: string;
  /** A free one where none is named. */
  readonly port?: number;
  /** Of Elasticsearch, like `indexing_pressure.memory.limit`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: `elasticsearch`. */
  readonly kind?: "elasticsearch" | "opensearch";
  /** Without policies of lifecycles, as a server that has no x-pack. */
  readonly withoutPolicies?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface ElasticsearchNode {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Lets it end by itself. */
  stop(): Promise<void>;
  /** Ends it where it stands. */
  kill(): Promise<void>;
}

/** Starts one; it answers when this returns, and ends with this program. */
export async function startElasticsearchNode(options: NodeOptions): Promise<ElasticsearchNode> {
  const { folder, settings = {}, withoutPolicies = false, onProgress = () => {} } = options;
  const { kind = "elasticsearch" } = options;
  const { java, classPath } = await javaProgram(kind, onProgress);
  const port = options.port ?? choosePort(undefined, undefined);
  const child = new Deno.Command(java, {
    args: [
      ...javaFlags,
      `-Dtest.ilm=${!withoutPolicies}`,
      "-cp",
      classPath,
      { elasticsearch: "org.elasticsearch.node.TestNode", opensearch: "OpenSearchNode" }[kind],
      folder,
      String(port),
      ...Object.entries(settings).map(([key, value]) => `${key}=${value}`),
    ],
    // It ends when this end is closed, so a killed test leaves no node behind.
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    // Ctrl-C is for the tests, which then end it.
    detached: true,
  }).spawn();
  child.unref();
  const end = async (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // it has ended already
    }
    child.ref();
    await child.status;
    await child.stdin.close().catch(() => {}); // its other end is gone
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(url, child, `${folder}/node.log`);
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
  return { url, port, pid: child.pid, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

/** Small, and soon there: a test's node does not live long enough for the second compiler. */
const javaFlags = [
  "-Xms512m",
  "-Xmx512m",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Dtest.plugins=org.elasticsearch.transport.netty4.Netty4Plugin,testnode.TestExtras",
];

async function untilReady(url: string, child: Deno.ChildProcess, log: string): Promise<void> {
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  for (let tries = 1; !hasEnded && tries < triesMax; tries++) {
    if (await isReady(url)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  const said = await Deno.readTextFile(log).catch(() => "nothing");
  throw new Error(`the node did not start; it said: ${said.slice(-2000)}`);
}

/** Two minutes, for a machine with much else to do. */
const triesMax = 1200;

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/_cluster/health?wait_for_status=yellow&timeout=50ms`);
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false; // it does not listen yet
  }
}
