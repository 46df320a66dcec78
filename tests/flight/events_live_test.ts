import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openEventSources } from "../../commands/event_sources.ts";
import type { Clickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { STREAM } from "../../lib/events/names.ts";
import { recordedFeed } from "../../lib/events/recorded_feed.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { preparePython, python } from "../clients/python.ts";
import {
  type StoredEvent,
  storedEvent,
  toArrowStream,
  today,
} from "../lib/clickhouse/arrow_events.ts";
import { event } from "../lib/events/events.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "../sinks/bridged.ts";
import { FakeEngine } from "./fake_engine.ts";
import { RawClient } from "./raw_client.ts";
import { startFlight, ticketBytes } from "./serve.ts";

const server = await testClickhouse();
await testNats();

const interpreter = await preparePython();
const log = createLog("error");

interface Told {
  readonly schema: string[];
  readonly rows: Record<string, string | null>[];
  readonly positions: string[];
}

interface Events {
  readonly url: string;
  readonly clickhouse: Clickhouse;
  readonly client: RawClient;
  insert(events: readonly StoredEvent[]): Promise<void>;
  read(...tickets: object[]): Promise<Told[]>;
}

/** A Flight server over a database of events. */
async function withEvents(
  test: (events: Events) => Promise<void>,
  { natsUrl = null, some = {} }: { natsUrl?: string | null; some?: Partial<Limits> } = {},
): Promise<void> {
  const all = limits(some);
  const clickhouse = await server.createDatabase(some);
  await migrateClickhouse(clickhouse, { retentionDays: 90 });
  const { origin, user, password, database } = clickhouse.settings;
  const sources = openEventSources({
    clickhouseUrl: `${origin}/${database}`,
    clickhouseUser: user,
    clickhousePassword: password,
    clickhouseDatabase: database,
    natsUrl,
    dataDir: "/nowhere",
    limits: all,
  }, log);
  const flight = await startFlight(new FakeEngine(), { limits: all, log, events: sources });
  const client = new RawClient(flight.url);
  try {
    await test({
      url: flight.url,
      clickhouse,
      client,
      insert: (events) =>
        clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), { token: crypto.randomUUID() }),
      read: async (...tickets) =>
        JSON.parse(
          await python(new URL("./events.py", import.meta.url), [
            flight.url,
            JSON.stringify(tickets.map((ticket) => ({ type: "ObserverEvents", ...ticket }))),
          ]),
        ),
    });
  } finally {
    client.close();
    await flight.stop(0);
    await sources.close();
    await clickhouse.command(`DROP DATABASE ${database} SYNC`, { inDatabase: false });
  }
}

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

const epoch = 1n << 54n;

/** Events in three batches whose times are not in the order of their positions. */
function someEvents(count: number): StoredEvent[] {
  return Array.from({ length: count }, (_, i) =>
    storedEvent({
      event_type: (["Created", "Updated", "Deleted"] as const)[i % 3]!,
      entity_type: ["Order", "User", "It's \\ ö"][i % 7 % 3]!,
      entity_id: `${i}`,
      timestamp: today - 40n * 86_400_000_000n + BigInt((i * 7919) % count) * 3_000_000_000n +
        123_457n,
      data: JSON.stringify({ id: i, name: "日本 😀".slice(0, i % 5) }),
      user_id: i % 3 === 0 ? null : `u${i % 10}`,
      org_id: i % 4 === 0 ? null : ["acme", ""][i % 2]!,
      position: epoch + (BigInt(1 + Math.floor(i / 400)) << 14n) + BigInt(i % 400),
    }));
}

const shown = ({ position: _, timestamp, ...rest }: StoredEvent) => ({
  ...rest,
  timestamp: String(timestamp),
});

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
      const sink = insertAll(bridged, clickhouse, stopping.signal);
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

/** What the ClickHouse sink does, as far as followers see it. */
async function insertAll(
  { nats }: Bridged,
  clickhouse: Clickhouse,
  signal: AbortSignal,
): Promise<void> {
  const max = { messages: 3, bytes: 1e6 };
  const feed = recordedFeed({ nats, stream: STREAM.batches, worker: "clickhouse", max });
  await feed.open(signal);
  try {
    while (!signal.aborted) {
      const pulled = await feed.pull(signal);
      await feed.begin(pulled);
      for (const { data, sequence } of pulled.messages) {
        const token = String(sequence);
        await clickhouse.insertArrow(EVENTS_DATA, data as Uint8Array<ArrayBuffer>, { token });
      }
      await feed.done(pulled);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await feed.close();
  }
}

/** A program of a user's, killed when it has told enough. */
class Follower {
  private readonly child: Deno.ChildProcess;

  constructor(url: string, after: string) {
    const program = fileURLToPath(new URL("../clients/follow_events.py", import.meta.url));
    this.child = new Deno.Command(interpreter, {
      args: [program, url, after],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }

  async read(take: (ids: string[], after: string) => boolean): Promise<void> {
    let rest = "";
    try {
      for await (const text of this.child.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const { ids, after } = JSON.parse(line);
          if (!take(ids, after)) return;
        }
      }
    } finally {
      this.child.kill("SIGKILL");
      await this.child.status;
    }
    ok(false, "it ended by itself");
  }
}
