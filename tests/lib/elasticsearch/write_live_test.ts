/** What becomes of events that Elasticsearch does not take, all or some, now or ever. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { documentOf } from "../../../lib/elasticsearch/documents.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import { AppError } from "../../../lib/errors.ts";
import type { IndexedEvent } from "../../../lib/search/store.ts";
import { indexed, query } from "../../contracts/search_events.ts";
import { testElasticsearch } from "../../services/elasticsearch.ts";
import { startElasticsearchNode } from "../../services/elasticsearch_node.ts";
import {
  fault,
  type ProxyOptions,
  startElasticsearchProxy,
} from "../../services/elasticsearch_proxy.ts";
import { startSilentProxy } from "../../services/silent_proxy.ts";
import { Opened, type OpenedOptions, soon } from "./opened.ts";

const server = await testElasticsearch();
const { base } = readElasticsearchUrl(server.server);

const events = (count: number, data: unknown = { status: "paid" }): IndexedEvent[] =>
  Array.from({ length: count }, (_, n) => indexed(n, data));

/** An index behind something that answers in Elasticsearch's place now and then. */
async function behind(
  answer: NonNullable<ProxyOptions["answer"]>,
  work: (opened: Opened) => Promise<void>,
  limits: OpenedOptions["limits"] = {},
): Promise<void> {
  const { authorization } = readElasticsearchUrl(server.server);
  const proxy = startElasticsearchProxy({
    target: base,
    answer,
    ...authorization !== null && { authorization },
  });
  try {
    await using opened = new Opened({ url: server.url(), settings: { base: proxy.url }, limits });
    await opened.index.ensure(soon());
    await work(opened);
  } finally {
    await proxy.stop();
  }
}

const isBulk = ({ path }: { readonly path: string }) => path.startsWith("/_bulk");

Deno.test("write() refuses what Elasticsearch cannot take, with its reason, and stores the rest", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  const some = [
    indexed(0),
    indexed(1, `{"a":1,"a":2}`),
    indexed(2),
    indexed(3, `{"${"k".repeat(40_000)}":1}`),
    indexed(4, `{"a":${"9".repeat(2000)}}`),
    indexed(5, `{"a\\u0000b":1}`),
    indexed(6, `{"a":`.repeat(1100) + "1" + "}".repeat(1100)),
    indexed(7),
  ];
  const refused = await opened.index.write(some, soon());
  deepEqual(refused.map(({ row }) => row), [1, 3, 4, 5, 6]);
  const reasons = [
    /Duplicate field/,
    /immense/,
    /Number value length/,
    /reserved/,
    /nesting depth/,
  ];
  for (const [at, reason] of reasons.entries()) match(refused[at]?.reason ?? "", reason);
  equal(await opened.count(), 3);
});

Deno.test("write() stores free-form data whose values change their types", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  const shapes = [
    '{"a":1}',
    '{"a":"x"}',
    '{"a":{"b":[1,{}]}}',
    '{"a":[[],null]}',
    '{"a":true}',
    "{}",
  ];
  const some = shapes.map((data, n) => indexed(n, data));
  deepEqual(await opened.index.write(some, soon()), []);
  equal(await opened.count(), shapes.length);
});

Deno.test("write() sends bodies of elasticsearchBulkBytesMax at most, two at a time", async () => {
  const sizes: number[] = [];
  let [now, most] = [0, 0];
  const limits = { elasticsearchBulkBytesMax: 65_536 };
  await behind(async (asked) => {
    if (!isBulk(asked)) return null;
    sizes.push(asked.body.length);
    most = Math.max(most, ++now);
    // Long enough for the second one to come, and a third one, were it sent.
    await new Promise((resolve) => setTimeout(resolve, 100));
    now--;
    return null;
  }, async (opened) => {
    deepEqual(await opened.index.write(events(1000), soon()), []);
    equal(await opened.count(), 1000);
  }, limits);
  ok(sizes.length > 3 && sizes.every((size) => size <= 65_536), `${sizes}`);
  equal(most, 2);
});

Deno.test("write() halves a body that is too large for something on the way, and sends no such again", async () => {
  const sizes: number[] = [];
  await behind((asked) => {
    if (!isBulk(asked)) return null;
    sizes.push(asked.body.length);
    return asked.body.length > 50_000 ? new Response("", { status: 413 }) : null;
  }, async (opened) => {
    deepEqual(await opened.index.write(events(1000), soon()), []);
    equal(await opened.count(), 1000);
    const before = sizes.length;
    deepEqual(await opened.index.write(events(1000), soon()), []);
    ok(sizes.slice(before).every((size) => size <= 50_000), `${sizes}`);
  });
});

Deno.test("write() refuses a single event that is too large, and stores the others", async () => {
  await behind(
    (asked) =>
      isBulk(asked) && asked.body.length > 50_000 ? new Response("", { status: 413 }) : null,
    async (opened) => {
      const large = indexed(1, { note: "x".repeat(60_000) });
      const refused = await opened.index.write([indexed(0), large, indexed(2)], soon());
      deepEqual(refused.map(({ row }) => row), [1]);
      const bytes = documentOf(large, "elasticsearch").length;
      match(refused[0]?.reason ?? "", /answered 413.*a body of \d+ bytes/);
      ok(bytes > 50_000);
      equal(await opened.count(), 2);
    },
  );
});

Deno.test("write() sends those again that Elasticsearch has no room for, and no others", async () => {
  const seen: number[] = [];
  await behind(async (asked) => {
    if (!isBulk(asked)) return null;
    const lines = new TextDecoder().decode(asked.body).trimEnd().split("\n");
    seen.push(lines.length / 2);
    if (seen.length > 1) return null;
    // Every third event finds the queue full, and the others are stored.
    const parts = Array.from({ length: lines.length / 2 }, (_, n) => n % 3 === 0);
    const kept = lines.filter((_, n) => !parts[n >> 1]).map((line) => `${line}\n`).join("");
    const { headers } = new Request("http://x", {
      headers: { "content-type": "application/x-ndjson" },
    });
    const { authorization } = readElasticsearchUrl(server.server);
    if (authorization !== null) headers.set("authorization", authorization);
    await (await fetch(`${base}/_bulk`, { method: "POST", headers, body: kept })).body?.cancel();
    const full = {
      status: 429,
      error: { type: "es_rejected_execution_exception", reason: "full" },
    };
    return Response.json({
      errors: true,
      items: parts.map((isFull) => ({ create: isFull ? full : { status: 201 } })),
    });
  }, async (opened) => {
    deepEqual(await opened.index.write(events(90), soon()), []);
    equal(await opened.count(), 90);
  });
  deepEqual(seen, [90, 30]);
});

Deno.test("write() sends all again where Elasticsearch answers 429 as a whole", async () => {
  let count = 0;
  await behind(
    (asked) =>
      isBulk(asked) && ++count < 3 ? fault(429, "circuit_breaking_exception", "full") : null,
    async (opened) => {
      deepEqual(await opened.index.write(events(10), soon()), []);
      equal(await opened.count(), 10);
    },
  );
  equal(count, 3);
});

Deno.test("write() gives up after elasticsearchRetryMsMax, with Elasticsearch's reason", async () => {
  const limits = { elasticsearchRetryMsMax: 300 };
  await using opened = new Opened({ url: server.url(), limits });
  await opened.index.ensure(soon());
  deepEqual(await opened.index.write([indexed(0)], soon()), []);
  const index = opened.names.index(indexed(0).timestamp);
  await opened.client.json("PUT", `/${index}/_block/write`, { signal: soon() });
  await rejects(opened.index.write([indexed(0), indexed(1)], soon()), {
    code: "UNAVAILABLE",
    message: /does not take 2 events: cluster_block_exception/,
  });
  await opened.client.json("PUT", `/${index}/_settings`, { body: { "index.blocks.write": null } });
  deepEqual(await opened.index.write([indexed(0), indexed(1)], soon()), []);
  equal(await opened.count(), 2);
});

Deno.test("write() waits for an index that somebody closed", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  deepEqual(await opened.index.write([indexed(0)], soon()), []);
  const index = opened.names.index(indexed(0).timestamp);
  await opened.client.json("POST", `/${index}/_close`, { signal: soon() });
  const written = opened.index.write([indexed(1)], soon());
  await new Promise((resolve) => setTimeout(resolve, 300));
  await opened.client.json("POST", `/${index}/_open`, { signal: soon() });
  deepEqual(await written, []);
  equal(await opened.count(), 2);
});

Deno.test("write() takes an event that is there already as stored", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  for (let n = 0; n < 2; n++) deepEqual(await opened.index.write(events(50), soon()), []);
  equal(await opened.count(), 50);
});

Deno.test("write() ends with the reason of its signal, also between two tries", async () => {
  await behind(
    (asked) => isBulk(asked) ? fault(429, "circuit_breaking_exception", "full") : null,
    async ({ index }) => {
      const reason = new AppError("CANCELLED", "enough");
      const enough = new AbortController();
      const written = index.write(events(2), enough.signal);
      setTimeout(() => enough.abort(reason), 300);
      await rejects(written, reason);
    },
  );
});

Deno.test("write() throws UNAVAILABLE where the network is gone, and can be repeated", async () => {
  const { hostname, port } = new URL(base);
  const network = startSilentProxy({ hostname, port: Number(port) });
  const settings = { base: `http://127.0.0.1:${network.port}` };
  const limits = { elasticsearchAnswerMsMax: 1000 };
  {
    await using opened = new Opened({ url: server.url(), settings, limits });
    await opened.index.ensure(soon());
    deepEqual(await opened.index.write(events(1), soon()), []);
    network.cut();
    await rejects(opened.index.write(events(5), soon()), { code: "UNAVAILABLE" });
    network.heal();
    deepEqual(await opened.index.write(events(5), soon()), []);
    equal(await opened.count(), 5);
  }
  await network.stop();
});

Deno.test("write() makes an index with all of its fields, also where the template is gone", async () => {
  await using opened = new Opened({ url: server.url(), columns: ["total"] });
  await opened.index.ensure(soon());
  await opened.client.json("DELETE", `/_index_template/${opened.names.template}`);
  const paid = indexed(0, { total: 5 });
  deepEqual(await opened.index.write([paid], soon()), []);
  await opened.client.json("POST", `/${opened.names.pattern}/_refresh`);
  const condition = { kind: "number", column: "total", operator: "gt", value: 4 } as const;
  const page = await opened.store.search(query([], { condition }), {
    signal: soon(),
    secondsMax: 60,
  });
  deepEqual(page.hits.map(({ event }) => event.data), [paid.data]);
});

Deno.test("write() stores an event of a time before 1970, where Elasticsearch's own clock begins", async () => {
  await using opened = new Opened({ url: server.url() });
  await opened.index.ensure(soon());
  const old = indexed(0, {}, { timestamp: "1969-12-31T23:59:59.999999Z" });
  deepEqual(await opened.index.write([old], soon()), []);
  equal(await opened.count(), 1);
});

Deno.test("write() stores all of more than a node has room for at once", async () => {
  const folder = await Deno.makeTempDir();
  const settings = { "indexing_pressure.memory.limit": "400kb" };
  const node = await startElasticsearchNode({ folder, settings });
  try {
    const limits = { elasticsearchBulkBytesMax: 300_000 };
    await using opened = new Opened({ url: node.url, limits });
    await opened.index.ensure(soon());
    deepEqual(await opened.index.write(events(10_000), soon()), []);
    equal(await opened.count(), 10_000);
    const stats = await opened.client.json<Stats>("GET", "/_nodes/stats/indexing_pressure");
    const [one] = Object.values(stats.nodes);
    ok((one?.indexing_pressure.memory.total.coordinating_rejections ?? 0) > 0, "it had room");
  } finally {
    await node.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

interface Stats {
  readonly nodes: Readonly<
    Record<string, {
      readonly indexing_pressure: {
        readonly memory: { readonly total: { readonly coordinating_rejections: number } };
      };
    }>
  >;
}
