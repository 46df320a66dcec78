/** From NATS through the bridge into ClickHouse, by the sink as it runs. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { type Clickhouse } from "../../lib/clickhouse/client.ts";
import { listDead } from "../../lib/events/dead.ts";
import { publishOne } from "../../lib/events/atomic_publish.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../../lib/events/names.ts";
import { readProgress } from "../../lib/events/recorded_feed.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { limits } from "../../lib/limits.ts";
import { clickhouseLag } from "../../sinks/clickhouse_lag.ts";
import { event, events } from "../lib/events/events.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "./bridged.ts";
import { batchBytes, clickhouseWithTables, Door, storedIds } from "./clickhouse_stored.ts";
import { storing } from "./storing.ts";

await testNats();
await testClickhouse();

const has = (clickhouse: Clickhouse, count: number) => async () =>
  (await storedIds(clickhouse)).length >= count;

Deno.test("runClickhouse() stores 20,000 events of the bridge, each once, with their positions in order", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    const all = events(0, 20_000).map((one, i) => ({ ...one, orgId: i % 2 ? "a" : "b" }));
    for (let i = 0; i < all.length; i += 5000) await bridged.publish(all.slice(i, i + 5000));
    bridged.bridge();
    const run = storing(bridged, clickhouse);
    await run.until(has(clickhouse, all.length));
    await run.stop();
    const rows = await clickhouse.rows<{ id: string }>(
      "SELECT event_id AS id FROM fraiseql_events_data ORDER BY position",
    );
    deepEqual(rows.map(({ id }) => id), all.map(({ id }) => id));
    deepEqual(
      await clickhouse.rows("SELECT event_count, unique_entities FROM fraiseql_events_hourly"),
      [{ event_count: "20000", unique_entities: "20000" }],
    );
    const last = run.states.at(-1);
    equal(last?.kind, "working");
    equal(last?.events, 20_000);
    equal(last?.pending, 0);
  });
});

Deno.test("runClickhouse() parks a batch that is none, and one that ClickHouse does not take, and goes on", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    const { nats } = bridged;
    const publish = (data: Uint8Array) =>
      publishOne(nats, SUBJECT.batches, data, { [HEADER.contentType]: CONTENT_TYPE.arrow });
    await publish(batchBytes(events(0, 3), 1));
    await publish(new TextEncoder().encode("no batch"));
    const broken = batchBytes([event(4, { entityId: "broken-here" })], 3);
    const text = new TextEncoder().encode("broken-here");
    const at = broken.findIndex((_, i) => text.every((byte, k) => broken[i + k] === byte));
    // The offsets before the text: its end lies outside of the batch.
    new DataView(broken.buffer).setInt32(at - 4, 2 ** 30, true);
    await publish(broken);
    await publish(batchBytes(events(5, 8), 4));
    const run = storing(bridged, clickhouse);
    await run.until(has(clickhouse, 6));
    await run.stop();
    deepEqual(
      (await storedIds(clickhouse)).sort(),
      [...events(0, 3), ...events(5, 8)].map(({ id }) => id),
    );
    const dead = await Array.fromAsync(listDead(nats, { worker: "clickhouse" }, 100));
    deepEqual(dead.map(({ origin }) => origin.sequence).sort(), [2, 3], JSON.stringify(dead));
    deepEqual(dead.map(({ data }) => data.length).sort(), [8, broken.length].sort());
  });
});

Deno.test("runClickhouse() inserts what waits together, up to clickhousePullBytesMax", async () => {
  const taken = async (clickhousePullBytesMax: number) => {
    const clickhouse = await clickhouseWithTables();
    let rows: number[] = [];
    await Bridged.run(async (bridged) => {
      for (let n = 0; n < 4; n++) {
        const some = events(200 * n, 200 * (n + 1));
        await publishOne(bridged.nats, SUBJECT.batches, batchBytes(some, n + 1));
      }
      const run = storing(bridged, clickhouse);
      await run.until(has(clickhouse, 800));
      await run.stop();
      const counts = [...new Set(run.states.map(({ events }) => events))];
      rows = counts.slice(1).map((count, i) => count - counts[i]!);
    }, { clickhousePullBytesMax });
    return rows;
  };
  const { length } = batchBytes(events(0, 200), 1);
  deepEqual(await taken(8 * length), [800]);
  deepEqual(await taken(1.5 * length), [200, 200, 200, 200]);
});

Deno.test("runClickhouse() takes a batch without rows for progress", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    await publishOne(bridged.nats, SUBJECT.batches, new TextEncoder().encode("no matter"), {
      "Fraiseql-Rows": "0",
    });
    const run = storing(bridged, clickhouse);
    const record = () => readProgress(bridged.nats, "clickhouse");
    await run.until(async () => (await record())?.record.done === true);
    await run.stop();
    equal((await record())?.record.last, 1);
    deepEqual(await Array.fromAsync(listDead(bridged.nats, {}, 100)), []);
  });
});

Deno.test("runClickhouse() goes on from what ClickHouse holds where its record is lost", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    for (let i = 1; i <= 20; i++) {
      await publishOne(bridged.nats, SUBJECT.batches, batchBytes(events(i, i + 1), i), {});
    }
    const first = storing(bridged, clickhouse);
    await first.until(has(clickhouse, 20));
    await first.stop();
    await bridged.nats.manager.streams.purge(STREAM.progress);
    await publishOne(bridged.nats, SUBJECT.batches, batchBytes(events(21, 22), 21), {});
    // With one message to an insert the last one that ClickHouse holds is whole or not there.
    const some = limits({ ...bridged.limits, pullMessagesMax: 1 });
    const second = storing(new Bridged(bridged.url, bridged.nats, some), clickhouse);
    // The last of before, and the one that came since.
    await second.until(() => Promise.resolve(second.states.at(-1)?.events === 2));
    await second.stop();
    const ids = await clickhouse.rows<{ id: string }>(
      "SELECT event_id AS id FROM fraiseql_events ORDER BY position",
    );
    deepEqual(ids.map(({ id }) => id), events(1, 22).map(({ id }) => id));
  });
});

Deno.test("runClickhouse() stores what comes after FRAISEQL_BATCHES was made anew, and sees no event twice", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    await publishOne(bridged.nats, SUBJECT.batches, batchBytes(events(0, 4), 1), {});
    const first = storing(bridged, clickhouse);
    await first.until(has(clickhouse, 4));
    await first.stop();
    await bridged.makeAnew(STREAM.batches);
    await publishOne(bridged.nats, SUBJECT.batches, batchBytes(events(2, 9), 1), {});
    const second = storing(bridged, clickhouse);
    await second.until(has(clickhouse, 9));
    await second.stop();
    ok(second.lines.some((line) => line.includes("batches are stored from the first")));
    const ids = await clickhouse.rows<{ id: string }>(
      "SELECT event_id AS id FROM fraiseql_events ORDER BY event_id",
    );
    deepEqual(ids.map(({ id }) => id), events(0, 9).map(({ id }) => id));
  });
});

Deno.test("runClickhouse() begins again behind what it stored, also where positions are beyond 2^53", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    bridged.epoch = 3;
    bridged.bridge();
    const first = storing(bridged, clickhouse);
    // The rows of the last batch differ in digits that a double does not hold.
    await bridged.publish(events(0, 7));
    await first.until(has(clickhouse, 7));
    await first.stop();
    await bridged.publish(events(7, 8));
    const second = storing(bridged, clickhouse);
    await second.until(has(clickhouse, 8));
    await second.stop();
    deepEqual(second.lines, []);
    const [row] = await clickhouse.rows<{ last: string }>(
      "SELECT max(position) AS last FROM fraiseql_events_data",
    );
    equal(BigInt(row?.last ?? 0) >> 54n, 3n);
    equal(typeof row?.last, "string");
  });
});

Deno.test("runClickhouse() says whose place it waits for after a kill, in state and log, and takes it over", async () => {
  const clickhouse = await clickhouseWithTables();
  await Bridged.run(async (bridged) => {
    const { nats } = bridged;
    await publishOne(nats, SUBJECT.batches, batchBytes(events(0, 4), 1), {});
    const { created } = await streamState(nats, STREAM.batches);
    const holder = { host: "alpha", pid: 7, since: "2026-01-01T00:00:00.000Z" };
    const place = { stream: STREAM.batches, created, first: 1, last: 1, done: false };
    const record = { ...place, instance: "of a killed one", stopped: false, holder };
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    await publishOne(nats, SUBJECT.progress("clickhouse"), bytes, {});
    deepEqual((await clickhouseLag(nats))?.place.holder, holder);

    const sink = storing(bridged, clickhouse);
    await sink.until(has(clickhouse, 4));
    const other = "process 7 on alpha since 2026-01-01T00:00:00.000Z";
    const stoodBy = sink.states.filter(({ kind }) => kind === "standing by");
    deepEqual([...new Set(stoodBy.map(({ reason }) => reason))], [
      `another sink works, or ended within the last 5 s: ${other}`,
    ]);
    ok(sink.lines.some((line) => line.includes("sink stands by") && line.includes(other)));
    await sink.stop();
    const left = (await clickhouseLag(nats))?.place;
    deepEqual([left?.stopped, left?.holder?.pid], [true, Deno.pid]);
  });
});

Deno.test("runClickhouse() tells how many events it has before it, also while ClickHouse is away", async () => {
  const clickhouse = await clickhouseWithTables();
  const door = new Door(clickhouse);
  await Bridged.run(async (bridged) => {
    const add = (n: number) =>
      publishOne(bridged.nats, SUBJECT.batches, batchBytes(events(5 * n, 5 * n + 5), n + 1), {});
    for (let n = 0; n < 4; n++) await add(n);
    const sink = storing(bridged, door.client());
    await sink.until(() => Promise.resolve(sink.states.at(-1)?.events === 20));
    const behind = sink.states.filter(({ pending, events }) => pending > 0 && events > 0);
    ok(behind.length > 0);
    for (const { pending, lagEvents } of behind) equal(lagEvents, 5 * pending);
    equal(sink.states.at(-1)?.lagEvents, 0);
    await door.shut();
    for (let n = 4; n < 7; n++) await add(n);
    await sink.until(() => Promise.resolve(sink.states.at(-1)?.lagEvents === 15));
    door.open();
    await sink.until(has(clickhouse, 35));
    await sink.until(() => Promise.resolve(sink.states.at(-1)?.lagEvents === 0));
    await sink.stop();
    await door.shut();
  }, { pullMessagesMax: 1 });
});
