/**
 * Elasticsearch for tests: a real node, made of what Maven fetches (`elasticsearch/pom.xml`) and three
 * files of Java, run by a JDK of 21 or newer.
 *
 * `deno task test` starts one for the whole run and names it in `TEST_ELASTICSEARCH_URL`; set by hand,
 * tests use that server instead, whose user must be able to manage indices, templates and policies. A
 * test file run alone starts one for itself, which ends with it.
 *
 * Call it at the top of a test file, outside of any test, since the node outlives the test.
 */

import { startElasticsearchNode } from "./elasticsearch_node.ts";

export interface TestElasticsearch {
  /** Of the server, without any prefix. */
  readonly server: string;
  /** With a prefix of indices, template and policy that no other test has, and that are not there yet. */
  url(): string;
}

/** The server; started by the first call of a test file, and the same for every other. */
export function testElasticsearch(): Promise<TestElasticsearch> {
  started ??= start();
  return started;
}

let started: Promise<TestElasticsearch> | undefined;

async function start(): Promise<TestElasticsearch> {
  const given = Deno.env.get("TEST_ELASTICSEARCH_URL");
  const server = given ?? (await startTestElasticsearch()).url;
  return {
    server,
    url() {
      const url = new URL(server);
      url.searchParams.set("prefix", `${testPrefix}${crypto.randomUUID().slice(0, 13)}-`);
      return url.href;
    },
  };
}

const testPrefix = "test-";

/** Starts a node in a folder of its own, which is gone when it is stopped. */
export async function startTestElasticsearch(onProgress: (line: string) => void = () => {}) {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-elasticsearch-" });
  const remove = () => Deno.removeSync(folder, { recursive: true });
  try {
    const node = await startElasticsearchNode({ folder, onProgress });
    globalThis.addEventListener("unload", remove);
    return {
      url: node.url,
      async stop() {
        globalThis.removeEventListener("unload", remove);
        await node.stop();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
