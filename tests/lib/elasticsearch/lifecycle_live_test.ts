/** How long events stay, by lifecycle policies and where the server has none. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { connectElasticsearch } from "../../../lib/elasticsearch/client.ts";
import { readServer } from "../../../lib/elasticsearch/server.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import { limits } from "../../../lib/limits.ts";
import { indexed } from "../../contracts/search_events.ts";
import {
  type ElasticsearchNode,
  startElasticsearchNode,
} from "../../services/elasticsearch_node.ts";
import { Opened, soon } from "./opened.ts";

/** A node of one's own, since time is told to all that it holds. */
async function onNode(
  withoutPolicies: boolean,
  work: (node: ElasticsearchNode) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const node = await startElasticsearchNode({ folder, withoutPolicies });
  try {
    await work(node);
  } finally {
    await node.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

const last = indexed(1, {}, { timestamp: "2026-01-31T23:59:59.999999Z" });
const next = indexed(2, {}, { timestamp: "2026-02-01T00:00:00.000000Z" });

Deno.test("an index stays by its policy until its last event is as old as events may be", async () => {
  await onNode(false, async ({ url }) => {
    await using opened = new Opened({ url });
    await opened.index.ensure(soon());
    await opened.index.write([last, next], soon());
    const at = async (time: string) => {
      const path = `/_test/ilm/run?now=${Date.parse(time)}`;
      return (await opened.client.json<{ readonly deleted: string[] }>("POST", path)).deleted;
    };
    // 90 days after the end of January, though the index was made today.
    deepEqual(await at("2026-05-01T23:59:59Z"), []);
    deepEqual(await at("2026-05-02T00:00:00Z"), ["fraiseql-events-2026.01"]);
    equal(await opened.count(), 1);
    deepEqual(await opened.index.sweep(new Date("2030-01-01"), soon()), []);
  });
});

Deno.test("an index that somebody else made counts from then, and stays longer than events have to", async () => {
  await onNode(false, async ({ url }) => {
    await using opened = new Opened({ url });
    await opened.index.ensure(soon());
    await opened.client.json("PUT", "/fraiseql-events-2026.01");
    const days = (count: number) => Date.now() + count * 86_400_000;
    const at = async (now: number) => {
      const path = `/_test/ilm/run?now=${now}`;
      return (await opened.client.json<{ readonly deleted: string[] }>("POST", path)).deleted;
    };
    deepEqual(await at(days(120)), []);
    deepEqual(await at(days(121) + 60_000), ["fraiseql-events-2026.01"]);
  });
});

Deno.test("without policies events are stored all the same, and sweep() removes whole months by their name", async () => {
  await onNode(true, async ({ url }) => {
    const elasticsearch = connectElasticsearch(readElasticsearchUrl(url), limits());
    const { kind, hasPolicies } = await readServer(elasticsearch, soon());
    deepEqual([kind, hasPolicies], ["elasticsearch", false]);
    await using opened = new Opened({ url });
    await opened.index.ensure(soon());
    await opened.index.write([last, next], soon());
    await elasticsearch.json("PUT", "/fraiseql-events-2026.01-copy", { signal: soon() });
    deepEqual(await opened.index.sweep(new Date("2026-05-01T23:59:59Z"), soon()), []);
    deepEqual(await opened.index.sweep(new Date("2026-05-02T00:00:00Z"), soon()), [
      "fraiseql-events-2026.01",
    ]);
    equal(await opened.count(), 1);
    elasticsearch.close();
  });
});
