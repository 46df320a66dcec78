import { strictEqual as equal } from "node:assert/strict";
import { testElasticsearch } from "./elasticsearch.ts";
import { startElasticsearchNode } from "./elasticsearch_node.ts";

const { server } = await testElasticsearch();

async function json(url: string, init?: RequestInit) {
  return await (await fetch(url, init)).json();
}

Deno.test("testElasticsearch() is a real Elasticsearch", async () => {
  const { version, tagline } = await json(server);
  equal(tagline, "You Know, for Search");
  equal(Number(version.number.split(".")[0]) >= 8, true);
});

Deno.test("startElasticsearchNode() keeps what was stored through kill() and another start", async () => {
  const folder = await Deno.makeTempDir();
  const first = await startElasticsearchNode({ folder });
  await json(`${first.url}/kept/_create/1`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: `{"word":"kept"}`,
  });
  await first.kill();
  const second = await startElasticsearchNode({ folder, port: first.port });
  equal(second.url, first.url);
  const { _source } = await json(`${second.url}/kept/_doc/1`);
  equal(_source.word, "kept");
  await second.stop();
  await Deno.remove(folder, { recursive: true });
});
