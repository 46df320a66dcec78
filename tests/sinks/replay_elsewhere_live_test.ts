/** `fraiseql replay` of what FRAISEQL_BATCHES does not hold any more. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA, FIRST_BRIDGED } from "../../lib/clickhouse/tables.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { STREAM } from "../../lib/events/names.ts";
import { lastCheckpoint } from "../../lib/events/atomic_publish.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { limits } from "../../lib/limits.ts";
import { currentSnapshot, emptySlots } from "../../lib/postgres/change_log.ts";
import { run } from "../commands/program.ts";
import { Observed } from "../lib/observer/observed.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { clickhousePlace, isPast } from "../../sinks/clickhouse_place.ts";
import { replayClickhouse } from "../../sinks/clickhouse_replay.ts";
import { Bridged } from "./bridged.ts";
import { type Storing, storing } from "./storing.ts";

const server = await testPostgres();
await testNats();
const engine = await testClickhouse();

const tables = {
  sql: "create table t (id int primary key, v text); create table u (id int primary key)",
  tables: ["t", "u"],
  some: {
    bridgeFlushMsMax: 20,
    retryWaitMsMax: 200,
    publishMessageBytesMax: 64 * 1024,
    batchRowsMax: 500,
  },
};

/** All stages at work; the commands are run as a user does it. */
class Line {
  private sink: Storing;
  private readonly bridged: Bridged;

  private constructor(
    readonly observed: Observed,
    readonly clickhouse: Clickhouse,
    readonly url: string,
  ) {
    this.bridged = new Bridged(observed.natsUrl, observed.nats, observed.limits);
    this.sink = storing(this.bridged, clickhouse);
  }

  static run(work: (line: Line) => Promise<void>): Promise<void> {
    return Observed.run(server, tables, async (observed) => {
      const url = engine.url();
      const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
      await migrateClickhouse(clickhouse, { retentionDays: 36_500 });
      const line = new Line(observed, clickhouse, url);
      const bridge = line.bridged.bridge();
      try {
        await work(line);
      } finally {
        await bridge.stop();
        await line.stopSink();
      }
    });
  }

  stopSink(): Promise<void> {
    return this.sink.stop();
  }

  startSink(): Storing {
    return this.sink = storing(this.bridged, this.clickhouse);
  }

  /** Writes so many rows, and waits until ClickHouse has their events. */
  async write(from: number, to: number): Promise<void> {
    const { observed } = this;
    await observed.query(
      `insert into t select n, 'row "' || n || '" \\ é' from generate_series(${from}, ${to}) n`,
    );
    await observed.query(`insert into u select generate_series(${from}, ${to})`);
    await observed.publishAll();
    const [[count] = []] = await observed.query("select count(*) from fraiseql.change_log");
    while ((await this.stored()).length < Number(count)) await pause();
    await this.untilRecorded();
  }

  /** Waits until the sink's record says that it has all. */
  async untilRecorded(): Promise<void> {
    const { nats } = this.observed;
    const checkpoint = (await lastCheckpoint(nats))?.sequence ?? 0;
    for (;;) {
      const place = await clickhousePlace(nats);
      if (place !== null && await isPast(nats, place, checkpoint)) return;
      await pause();
    }
  }

  /** What the stream holds but for its last message is gone. */
  async purge(stream: typeof STREAM.batches | typeof STREAM.events, keep = 1): Promise<void> {
    const { nats } = this.observed;
    const { lastSequence } = await streamState(nats, stream);
    await nats.manager.streams.purge(stream, { seq: lastSequence - keep + 1 });
  }

  lose(condition: string): Promise<void> {
    return this.clickhouse.command(`ALTER TABLE ${EVENTS_DATA} DELETE WHERE ${condition}`, {
      settings: { mutations_sync: 2 },
    });
  }

  /** Every event with all that is of it, but its position. */
  stored(): Promise<Record<string, unknown>[]> {
    return this.clickhouse.rows(
      "SELECT * EXCEPT (position) FROM fraiseql_events ORDER BY event_id",
    );
  }

  replay(flags: readonly string[] = [], env: Record<string, string> = {}) {
    const { observed: { url, natsUrl } } = this;
    const hour = (ms: number) => new Date(Date.now() + ms).toISOString();
    const times = ["--from", hour(-3_600_000), "--to", hour(3_600_000)];
    return run(["replay", "--sink", "clickhouse", ...times, ...flags], {
      DATABASE_URL: url,
      FRAISEQL_NATS_URL: natsUrl,
      FRAISEQL_CLICKHOUSE_URL: this.url,
      FRAISEQL_EVENT_RETENTION_DAYS: "36500",
      ...env,
    });
  }
}

const pause = () => new Promise((done) => setTimeout(done, 30));

/** Ids with their positions. */
async function positions(clickhouse: Clickhouse): Promise<Map<string, bigint>> {
  const rows = await clickhouse.rows<{ id: string; position: string }>(
    "SELECT event_id AS id, position FROM fraiseql_events",
  );
  return new Map(rows.map(({ id, position }) => [id, BigInt(position)]));
}

async function rowsStored(clickhouse: Clickhouse): Promise<number> {
  const [row] = await clickhouse.rows<{ n: string }>(`SELECT count() AS n FROM ${EVENTS_DATA}`);
  return Number(row?.n);
}

Deno.test("replay brings back from FRAISEQL_EVENTS what has left FRAISEQL_BATCHES, at positions below all others", async () => {
  await Line.run(async (line) => {
    const { clickhouse } = line;
    for (let n = 0; n < 5; n++) await line.write(1000 * n + 1, 1000 * n + 1000);
    const [before, placed] = [await line.stored(), await positions(clickhouse)];
    equal(before.length, 10_000);
    await line.purge(STREAM.batches);

    const none = await line.replay();
    deepEqual([none.code, await rowsStored(clickhouse)], [0, 10_000], none.stderr);
    match(
      none.stdout,
      /^\d+ events of that time in FRAISEQL_BATCHES, 0 not in ClickHouse, 0 added\n/,
    );

    await line.lose("entity_type = 'u' OR toInt32(entity_id) % 10 = 0");
    const lost = 5000 + 500;
    const dry = await line.replay(["--dry-run"]);
    deepEqual([dry.code, await rowsStored(clickhouse)], [0, 10_000 - lost], dry.stderr);
    const some = await line.replay(["--entity", "t"]);
    equal(some.code, 0, some.stderr);
    deepEqual(await rowsStored(clickhouse), 10_000 - 5000);
    const rest = await line.replay();
    equal(rest.code, 0, rest.stderr);
    const [, held] = /^(\d+) events of that time in FRAISEQL_BATCHES/.exec(rest.stdout) ?? [];
    const [, read, missing] = /\n(\d+) .* in FRAISEQL_EVENTS, (\d+) not in ClickHouse/.exec(
      rest.stdout,
    ) ?? [];
    ok(Number(held) < 10_000 && Number(read) >= 10_000 - Number(held), rest.stdout);
    ok(Number(missing) > 0 && Number(missing) <= 5000, rest.stdout);
    match(rest.stderr, /replay of FRAISEQL_EVENTS: .* \(100%\)/);
    deepEqual(await line.stored(), before);
    equal(await rowsStored(clickhouse), 10_000);

    const after = await positions(clickhouse);
    equal(new Set(after.values()).size, 10_000, "no two have one position");
    const moved = [...after].filter(([id, position]) => position !== placed.get(id));
    ok(moved.length > 1000 && moved.every(([, position]) => position < BigInt(FIRST_BRIDGED)));
    equal((await line.replay()).stdout.match(/, 0 added\n/g)?.length, 2);
  });
});

Deno.test("a sink that starts again after a replay goes on where it was", async () => {
  await Line.run(async (line) => {
    const { clickhouse } = line;
    await line.write(1, 1000);
    await line.purge(STREAM.batches);
    await line.lose("1");
    equal((await line.replay()).code, 0);
    await line.stopSink();
    const sink = line.startSink();
    await line.write(1001, 1100);
    equal(await rowsStored(clickhouse), 2200);
    deepEqual(sink.lines.filter((text) => /stored from the first/.test(text)), []);
  });
});

Deno.test("replay leaves what the sink has before it to the sink", async () => {
  await Line.run(async (line) => {
    const { clickhouse, observed } = line;
    await line.write(1, 1000);
    await line.purge(STREAM.batches);
    await line.stopSink();
    await line.lose("entity_type = 't'");
    await observed.query("insert into u select generate_series(2001, 2500)");
    await observed.publishAll();
    const done = await line.replay(["--entity", "t"], {
      FRAISEQL_LIMITS_VERIFY_WAIT_SECONDS_MAX: "1",
    });
    // That all is there cannot be told before the sink has come on; what can be added is.
    equal(done.code, 1);
    match(done.stderr, /ClickHouse does not have all that NATS has, and did not get it within 1 s/);
    equal((await line.stored()).length, 2000);
    line.startSink();
    while ((await line.stored()).length < 2500) await pause();
    equal(await rowsStored(clickhouse), 2500);
    const placed = await clickhouse.rows<{ n: string }>(
      `SELECT count() AS n FROM fraiseql_events WHERE toInt32(entity_id) > 2000
       AND position >= ${FIRST_BRIDGED}`,
    );
    deepEqual(placed, [{ n: "500" }]);
  });
});

Deno.test("replay of FRAISEQL_EVENTS that is stopped in the middle is repeated, and two at once add no position twice", async () => {
  await Line.run(async (line) => {
    const { clickhouse, observed: { nats } } = line;
    await line.write(1, 3000);
    await line.purge(STREAM.batches);
    const before = await line.stored();
    const lost = "entity_type = 't'";
    const replay = (onProgress: (stream: string) => void, signal: AbortSignal) =>
      replayClickhouse({
        nats,
        clickhouse,
        retentionDays: 36_500,
        from: new Date(Date.now() - 3_600_000),
        to: new Date(Date.now() + 3_600_000),
        entityType: "t",
        isDry: false,
        limits: limits({ pullMessagesMax: 1 }),
        onProgress,
        signal,
      });
    await line.lose(lost);
    const stopping = new AbortController();
    const stop = (stream: string) => stream === STREAM.events && stopping.abort();
    await rejects(replay(stop, stopping.signal));
    const some = (await line.stored()).length;
    ok(some < 6000, `${some} are there`);
    const { signal } = new AbortController();
    await Promise.all([replay(() => {}, signal), replay(() => {}, signal)]);
    deepEqual(await line.stored(), before);
    equal(new Set((await positions(clickhouse)).values()).size, 6000);
  });
});

Deno.test("replay brings back from the change log what has left both streams", async () => {
  await Line.run(async (line) => {
    const { clickhouse } = line;
    await line.write(1, 3000);
    const before = await line.stored();
    await line.purge(STREAM.batches);
    await line.purge(STREAM.events);
    // Neither stream reaches back, and ClickHouse has all: nothing is read again.
    const none = await line.replay();
    equal(none.code, 0, none.stderr);
    ok(!none.stdout.includes("change log"), none.stdout);

    await line.lose("toInt32(entity_id) % 2 = 0");
    const dry = await line.replay(["--dry-run"]);
    deepEqual([dry.code, await rowsStored(clickhouse)], [0, 3000], dry.stderr);
    match(dry.stdout, /\n6000 events of that time in the change log, \d+ not in ClickHouse\n$/);
    const done = await line.replay();
    equal(done.code, 0, done.stderr);
    match(
      done.stdout,
      /\n6000 events of that time in the change log, \d+ not in ClickHouse, \d+ added\n$/,
    );
    deepEqual(await line.stored(), before);
    equal(await rowsStored(clickhouse), 6000);

    // Without the database nobody can tell whether that was all.
    const unknown = await line.replay([], { DATABASE_URL: "" });
    equal(unknown.code, 1);
    match(
      unknown.stderr,
      /is there is not known: the streams reach back to what was published at /,
    );
    match(unknown.stderr, /hint: set DATABASE_URL/);
  });
});

Deno.test("replay says which hours nobody holds any more, once what is held was added", async () => {
  await Line.run(async (line) => {
    const { clickhouse, observed } = line;
    await line.write(1, 1000);
    await observed.query("select fraiseql.advance_slot(0, interval '0')");
    await line.write(1001, 1500);
    await line.purge(STREAM.batches);
    await line.purge(STREAM.events);
    const { connection } = observed;
    const snapshot = await currentSnapshot(connection);
    const before = new Date(Date.now() + 1000);
    equal(await emptySlots(connection, { snapshot, before }), 2000);
    await line.lose("entity_type = 't' AND toInt32(entity_id) % 10 = 0");
    const { code, stdout, stderr } = await line.replay();
    equal(code, 1);
    match(
      stdout,
      /\n1000 events of that time in the change log, \d+ not in ClickHouse, \d+ added\n$/,
    );
    match(
      stderr,
      /up to 100 events of that time are nowhere any more, .*:00Z t: \d+ of \d+ in ClickHouse/,
    );
    match(stderr, /hint: bring ClickHouse's table back from a backup/);
    equal(await rowsStored(clickhouse), 2900);
  });
});

Deno.test("replay of a part of an hour says that whole hours can be told, and calls nothing lost that lies beside", async () => {
  // All of it within one hour.
  while (Date.now() % 3_600_000 > 3_570_000) await pause();
  await Line.run(async (line) => {
    await line.write(1, 200);
    await pause();
    const from = new Date().toISOString();
    await pause();
    await line.write(201, 300);
    const before = await line.stored();
    await line.purge(STREAM.batches);
    await line.purge(STREAM.events);
    await line.lose("toInt32(entity_id) <= 200");
    const part = await line.replay(["--from", from]);
    equal(part.code, 1);
    match(
      part.stderr,
      /that time is there is not known: \d+ events of hours that it has only a part of/,
    );
    const [, whole = "", to = ""] = /hint: .*--from (\S+) --to (\S+)/.exec(part.stderr) ?? [];
    const all = await line.replay(["--from", whole, "--to", to]);
    equal(all.code, 0, all.stderr);
    deepEqual(await line.stored(), before);
  });
});
