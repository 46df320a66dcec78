/** A real OpenSearch holds to the same, though it lacks some of what Elasticsearch has. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { readServer } from "../../../lib/elasticsearch/server.ts";
import { indexed, query } from "../../contracts/search_events.ts";
import { startElasticsearchNode } from "../../services/elasticsearch_node.ts";
import { testElasticsearchContract } from "./contract.ts";
import { Opened, soon } from "./opened.ts";

const folder = await Deno.makeTempDir();
const node = await startElasticsearchNode({ folder, kind: "opensearch" });
// It outlives each test, and ends with this program.
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

let names = 0;
const url = () => `${node.url}?prefix=test${++names}-`;

testElasticsearchContract("OpenSearch", url);

Deno.test("readServer() tells OpenSearch, which has no policies of ours", async () => {
  await using opened = new Opened({ url: url() });
  const { kind, hasPolicies } = await readServer(opened.client, soon());
  deepEqual([kind, hasPolicies], ["opensearch", false]);
});

Deno.test("write() stores long texts and deep data in OpenSearch, and refuses what is too deep alone", async () => {
  await using opened = new Opened({ url: url() });
  await opened.index.ensure(soon());
  const deep = (levels: number) => `{"a":`.repeat(levels) + "1" + "}".repeat(levels);
  const refused = await opened.index.write([
    indexed(0, { text: `${"long ".repeat(20_000)}end` }),
    indexed(1, deep(900)),
    indexed(2, deep(1100)),
    indexed(3, `{"${"k".repeat(40_000)}":"found by its words"}`),
  ], soon());
  deepEqual(refused.map(({ row }) => row), [2]);
  equal(await opened.count(), 3);
  const found = await opened.store.search(query("found"), { signal: soon(), secondsMax: 60 });
  equal(found.total, 1);
});

Deno.test("sweep() removes whole months of OpenSearch by their name", async () => {
  await using opened = new Opened({ url: url() });
  await opened.index.ensure(soon());
  await opened.index.write([indexed(0)], soon());
  deepEqual(await opened.index.sweep(new Date("2026-05-02"), soon()), [
    opened.names.index("2026-01-01T00:00:00.000000Z"),
  ]);
});
