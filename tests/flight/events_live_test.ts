import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { event } from "../lib/events/events.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "../sinks/bridged.ts";
import { ticketBytes } from "./serve.ts";
import {
  epoch,
  Follower,
  insertAll,
  shown,
  someEvents,
  type Told,
  withEvents,
} from "./with_events.ts";

await testNats();

const SCHEMA = [
  "pyarrow.Field<event_id: string not null>",
  "pyarrow.Field<event_type: dictionary<values=string, indices=int32, ordered=0> not null>",
  "pyarrow.Field<entity_type: dictionary<values=string, indices=int32, ordered=0> not null>",
  "pyarrow.Field<entity_id: string not null>",
  "pyarrow.Field<timestamp: timestamp[us, tz=UTC] not null>",
  "pyarrow.Field<data: string not null>",
  "pyarrow.Field<user_id: string>",
  "pyarrow.Field<org_id: string>",
];

Deno.test("ObserverEvents gives every column's value by position, from several inserts and repeats, to pyarrow", () =>
  withEvents(async ({ insert, read, clickhouse }) => {
    const all = someEvents(1000);
    for (const part of [2, 0, 1]) {
      await insert(all.filter((_, i) => i % 3 === part));
    }
    await insert(all.slice(100, 200)); // once more
    equal((await clickhouse.rows(`SELECT 1 FROM ${EVENTS_DATA}`)).length >= 1000, true);
    const start = new Date(Number(all[500]!.timestamp / 1000n)).toISOString();
    const from = BigInt(Date.parse(start)) * 1000n;
    const [everything, orders, strange, since, before, none, few] = await read(
      {},
      { entity_type: "Order" },
      { entity_type: "It's \\ ö", limit: 50 },
      { start_date: start },
      { end_date: start },
      { entity_type: "Nobody" },
      { after: String(all[600]!.position), limit: 7 },
    );
    deepEqual(everything?.schema, SCHEMA);
    deepEqual(everything?.rows, all.map(shown));
    equal(everything?.positions.at(-1), String(all.at(-1)?.position));
    deepEqual(orders?.rows, all.filter((one) => one.entity_type === "Order").map(shown));
    const strangers = all.filter((one) => one.entity_type === "It's \\ ö").slice(0, 50);
    deepEqual(strange?.rows, strangers.map(shown));
    equal(strange?.positions.at(-1), String(strangers.at(-1)?.position));
    deepEqual(since?.rows, all.filter((one) => one.timestamp >= from).map(shown));
    deepEqual(before?.rows, all.filter((one) => one.timestamp < from).map(shown));
    deepEqual(none?.schema, SCHEMA);
    deepEqual(none?.rows, []);
    deepEqual(few?.rows, all.slice(601, 608).map(shown));
  }));

Deno.test("ObserverEvents read on by `after` gives every event once, in small steps and over epochs", () =>
  withEvents(async ({ insert, read }) => {
    const all = someEvents(900).map((one, i) => ({
      ...one,
      position: one.position + BigInt(i >= 450 ? 3 : 0) * epoch,
    }));
    await insert(all);
    const ids: (string | null)[] = [];
    for (let after: string | null = null; ids.length < all.length;) {
      const [part]: Told[] = await read({ after, limit: 1 + Math.floor(Math.random() * 300) });
      ids.push(...part!.rows.map(({ event_id }) => event_id!));
      after = part!.positions.at(-1) ?? "";
    }
    deepEqual(ids, all.map(({ event_id }) => event_id));
  }, { some: { eventStepRowsMax: 37, batchRowsMax: 10 } }));

Deno.test("ObserverEvents is UNAVAILABLE without ClickHouse, and refuses what it cannot do", () =>
  withEvents(async ({ client, clickhouse }) => {
    const get = (ticket: object) =>
      client.call("DoGet", ticketBytes(JSON.stringify({ type: "ObserverEvents", ...ticket })));
    const past = await get({ follow: true, end_date: "2020-01-01" });
    equal(past.code, 3);
    match(past.message, /end_date is past/);
    const follow = await get({ follow: true });
    match(follow.message, /no NATS to follow/);
    await clickhouse.command(`DROP TABLE ${EVENTS_DATA} SYNC`);
    const gone = await get({});
    equal(gone.code, 5);
    match(gone.message, /run fraiseql migrate/);
  }, { natsUrl: null }));

Deno.test("a follower that is killed and reads on by `after` sees every event once, while the sink writes", () =>
  Bridged.run(async (bridged) => {
    await withEvents(async ({ url, clickhouse }) => {
      const bridge = bridged.bridge();
      const stopping = new AbortController();
      const sink = insertAll(bridged.nats, clickhouse, stopping.signal);
      const total = 3000;
      // Not older than ClickHouse keeps them.
      const timestamp = `${new Date().toISOString().slice(0, 23)}001Z`;
      const wanted: string[] = [];
      const writing = (async () => {
        for (let n = 0; n < total; n += 60) {
          const some = Array.from({ length: 60 }, (_, i) => event(n + i, { timestamp }));
          wanted.push(...some.map(({ id }) => id));
          await bridged.publish(some);
          await new Promise((done) => setTimeout(done, 25));
        }
      })();
      const seen: string[] = [];
      let after = "";
      for (let kills = 0; seen.length < total; kills++) {
        const follower = new Follower(url, after);
        const enough = kills < 8 ? seen.length + 1 + Math.floor(Math.random() * 300) : total;
        await follower.read((ids, position) => {
          seen.push(...ids);
          after = position;
          return seen.length < Math.min(enough, total);
        });
      }
      await writing;
      deepEqual(seen, wanted);
      stopping.abort();
      await sink;
      await bridge.stop();
    }, { natsUrl: bridged.url });
  }));
