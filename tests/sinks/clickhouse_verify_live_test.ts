/** `verify` and `replay` over all stages, from PostgreSQL to ClickHouse. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import { sumEvents } from "../../lib/clickhouse/event_sums.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { eventHash, EventSums } from "../../lib/events/event_sums.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { compareLog } from "../../lib/observer/verify.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { connect } from "../../lib/postgres/connection.ts";
import { runBridge } from "../../sinks/bridge.ts";
import { runClickhouse } from "../../sinks/clickhouse.ts";
import { clickhousePlace, isPast } from "../../sinks/clickhouse_place.ts";
import { replayClickhouse } from "../../sinks/clickhouse_replay.ts";
import { verifyClickhouse } from "../../sinks/clickhouse_verify.ts";
import { run } from "../commands/program.ts";
import { event } from "../lib/events/events.ts";
import { Observed } from "../lib/observer/observed.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { batchBytes, clickhouseWithTables } from "./clickhouse_stored.ts";

const server = await testPostgres();
await testNats();
const engine = await testClickhouse();

const table = {
  sql: "create table t (id int primary key, v int); create table u (id int primary key)",
  tables: ["t", "u"],
  some: { bridgeFlushMsMax: 20, retryWaitMsMax: 200 },
};
const retentionDays = 90;

/** All stages but the publisher, which a test lets run when it likes. */
class Stages {
  private readonly stopping = new AbortController();
  private ended: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly observed: Observed,
    readonly clickhouse: Clickhouse,
    readonly url: string,
  ) {}

  static run(work: (stages: Stages) => Promise<void>): Promise<void> {
    return Observed.run(server, table, async (observed) => {
      const url = engine.url();
      const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
      await migrateClickhouse(clickhouse, { retentionDays });
      const stages = new Stages(observed, clickhouse, url);
      try {
        await work(stages);
      } finally {
        await stages.stop();
      }
    });
  }

  start(): void {
    const { observed: { natsUrl, limits }, clickhouse: { settings }, stopping: { signal } } = this;
    const nats = readNatsUrl(natsUrl);
    const log = createLog("error", () => {});
    const common = { nats, limits, log, onState() {}, signal };
    this.ended = Promise.all([
      runBridge(common),
      runClickhouse({ ...common, clickhouse: settings, retentionDays }),
    ]);
    this.ended.catch(() => {}); // `stop` tells
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.ended;
  }

  async verify({ since = null, verifyWaitSecondsMax = 60, onWait = () => {} }: {
    readonly since?: Date | null;
    readonly verifyWaitSecondsMax?: number;
    readonly onWait?: () => void;
  } = {}) {
    const { observed: { connection, nats }, clickhouse } = this;
    const { signal } = new AbortController();
    const all = limits({ ...this.observed.limits, verifyWaitSecondsMax });
    const found = await compareLog({ connection, nats, limits: all, since, signal });
    return await verifyClickhouse({
      nats,
      clickhouse,
      log: found.log,
      checkpoint: found.checkpoint?.sequence ?? 0,
      since,
      retentionDays,
      limits: all,
      onWait,
      signal,
    });
  }

  async replay({
    isDry = false,
    entityType = null,
    from = new Date(Date.now() - 3_600_000),
    onProgress = () => {},
    signal = new AbortController().signal,
  }: {
    readonly isDry?: boolean;
    readonly entityType?: string | null;
    readonly from?: Date;
    readonly onProgress?: () => void;
    readonly signal?: AbortSignal;
  } = {}) {
    const { observed: { nats }, clickhouse } = this;
    const { batches, events } = await replayClickhouse({
      nats,
      clickhouse,
      retentionDays,
      from,
      to: new Date(Date.now() + 3_600_000),
      entityType,
      isDry,
      // One batch at a time, so that it can be stopped in between.
      limits: limits({ pullMessagesMax: 1 }),
      onProgress,
      signal,
    });
    deepEqual(events, { found: 0, missing: 0 }); // the batches have all
    return batches;
  }

  lose(condition: string): Promise<void> {
    return this.clickhouse.command(
      `ALTER TABLE fraiseql_events_data DELETE WHERE ${condition}`,
      { settings: { mutations_sync: 2 } },
    );
  }

  async rows(): Promise<number> {
    const [row] = await this.clickhouse.rows<{ n: string }>(
      "SELECT count() AS n FROM fraiseql_events_data",
    );
    return Number(row?.n);
  }

  env() {
    const { observed: { url, natsUrl } } = this;
    return { DATABASE_URL: url, FRAISEQL_NATS_URL: natsUrl, FRAISEQL_CLICKHOUSE_URL: this.url };
  }
}

Deno.test("sumEvents() hashes ids as fraiseql.event_hash does", async () => {
  const clickhouse = await clickhouseWithTables();
  const all = [
    event(1, { timestamp: "2026-01-01T00:59:59.999999Z" }),
    event(2, { timestamp: "2026-01-01T01:00:00.000000Z" }),
    event(3, { timestamp: "2026-01-01T01:00:00.000001Z", entityType: "Line_2" }),
    event(4, { timestamp: "1969-12-31T23:59:59.000000Z" }),
  ];
  for (const token of ["a", "b"]) {
    await clickhouse.insertArrow("fraiseql_events_data", batchBytes(all, 7), { token });
  }
  const { signal } = new AbortController();
  const from = new Date("1930-01-01T00:00:00Z");
  const found = await sumEvents(clickhouse, { from, position: 2n ** 64n - 1n, signal });
  const sums = new EventSums();
  for (const sum of found) sums.add(sum.entityType, sum.hour, sum.count, sum.hash);
  equal(sums.events, 4);
  for (const { entityType, timestamp, id } of all) {
    const { count, hash } = sums.get(`${timestamp.slice(0, 13)} ${entityType}`);
    deepEqual([count, hash], [1, eventHash(id)]);
  }
  deepEqual(await sumEvents(clickhouse, { from, position: 7n << 14n, signal }), []);
});

Deno.test("verifyClickhouse() agrees, what is on its way and what is not published left out", async () => {
  await Stages.run(async (stages) => {
    const { observed } = stages;
    await observed.query(
      "insert into t select generate_series(1, 12000); insert into u values (1)",
    );
    await observed.publishAll();
    await observed.query("insert into t values (12001)");
    const found = await stages.verify({ onWait: () => stages.start() });
    deepEqual([found.wanted, found.stored, found.differences], [12_001, 12_001, []]);
    const later = await stages.verify({ since: new Date(Date.now() + 7_200_000) });
    deepEqual([later.wanted, later.stored], [0, 0]);
  });
});

Deno.test("verifyClickhouse() agrees beside writers, whatever the batches hold beyond the checkpoint", async () => {
  await Stages.run(async (stages) => {
    const { observed } = stages;
    stages.start();
    const running = observed.start();
    const own = await connect({ url: observed.url });
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n += 100) {
        await own.query(`insert into t select generate_series(${n}, ${n + 99})`);
      }
    })();
    const found = [];
    try {
      for (let n = 0; n < 5; n++) {
        await running.until(({ events }) => events > 200 * (n + 1));
        found.push((await stages.verify()).differences);
      }
    } finally {
      writing = false;
      await writer;
      await own.close();
      await running.stop();
    }
    deepEqual(found, [[], [], [], [], []]);
  });
});

Deno.test("verifyClickhouse() does not wait longer than verifyWaitSecondsMax", async () => {
  await Stages.run(async (stages) => {
    await stages.observed.query("insert into t values (1)");
    await stages.observed.publishAll();
    await rejects(stages.verify({ verifyWaitSecondsMax: 1 }), {
      code: "UNAVAILABLE",
      message: /within 1 s$/,
    });
  });
});

Deno.test("verifyClickhouse() leaves out events that are older than the retention", async () => {
  await Stages.run(async (stages) => {
    const { observed } = stages;
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    stages.start();
    await stages.verify();
    const { log } = await compareLog({
      ...observed,
      since: null,
      signal: new AbortController().signal,
    });
    const day = 86_400_000;
    const hour = (ms: number) => new Date(ms).toISOString().slice(0, 13);
    log.add("t", hour(Date.now() - retentionDays * day - 3_600_000), 5, 5n);
    log.add("t", hour(Date.now() - (retentionDays - 1) * day), 1, 1n);
    const { nats } = observed;
    const place = await clickhousePlace(nats);
    equal(place !== null && await isPast(nats, place, 2), true);
    const found = await verifyClickhouse({
      nats,
      clickhouse: stages.clickhouse,
      log,
      checkpoint: 2,
      since: null,
      retentionDays,
      limits: limits(),
      onWait() {},
      signal: new AbortController().signal,
    });
    deepEqual(found.differences.map(({ logged, stored }) => [logged, stored]), [[1, 0]]);
  });
});

Deno.test("replay brings back what ClickHouse lost and nothing else, and verify agrees again", async () => {
  await Stages.run(async (stages) => {
    const { observed } = stages;
    await observed.query("insert into t select generate_series(1, 5000)");
    await observed.publishAll();
    stages.start();
    await stages.verify();
    await observed.query("insert into u select generate_series(1, 300)");
    await observed.publishAll();
    deepEqual((await stages.verify()).differences, []);
    const before = await stages.clickhouse.rows("SELECT * FROM fraiseql_events ORDER BY event_id");

    equal((await stages.replay()).missing, 0);
    equal(await stages.rows(), 5300);

    await stages.lose("entity_type = 'u' OR toInt32(entity_id) % 10 = 0");
    equal(await stages.rows(), 4500);
    deepEqual(
      (await stages.verify()).differences.map(({ entityType, logged, stored }) => [
        entityType,
        logged,
        stored,
      ]),
      [["t", 5000, 4500], ["u", 300, 0]],
    );
    const { code, stdout } = await run(["verify"], stages.env());
    equal(code, 1);
    match(stdout, /Z u: 300 in the change log, 0 in ClickHouse\n/);
    match(stdout, /5300 events of the last 90 days, 4500 in ClickHouse: NOT the same\n$/);

    const dry = await stages.replay({ isDry: true });
    deepEqual([dry.found, dry.missing, await stages.rows()], [5300, 800, 4500]);
    const one = await stages.replay({ entityType: "u" });
    deepEqual([one.found, one.missing, await stages.rows()], [300, 300, 4800]);
    const none = await stages.replay({ from: new Date(Date.now() + 1_800_000) });
    deepEqual([none.found, none.missing], [0, 0]);
    const hour = (ms: number) => new Date(Date.now() + ms).toISOString();
    const flags = ["--from", hour(-3_600_000), "--to", hour(3_600_000), "--sink", "clickhouse"];
    const rest = await run(["replay", ...flags], stages.env());
    deepEqual([rest.code, rest.stdout], [
      0,
      "5300 events of that time in FRAISEQL_BATCHES, 500 not in ClickHouse, 500 added\n",
    ], rest.stderr);
    deepEqual((await stages.verify()).differences, []);
    deepEqual(
      await stages.clickhouse.rows("SELECT * FROM fraiseql_events ORDER BY event_id"),
      before,
    );
    // Lost once more: neither the sink's tokens nor the last replay's keep them out. One that is
    // stopped in the middle is repeated.
    await stages.lose("1");
    const stopping = new AbortController();
    await rejects(
      stages.replay({ onProgress: () => stopping.abort(), signal: stopping.signal }),
      { code: "CANCELLED" },
    );
    const some = await stages.rows();
    equal(some > 0 && some < 5300, true);
    equal((await stages.replay()).missing, 5300 - some);
    const agreed = await run(["verify"], stages.env());
    equal(agreed.code, 0);
    match(agreed.stdout, /5300 events of the last 90 days, 5300 in ClickHouse: the same\n$/);
    equal(await stages.rows(), 5300);
  });
});

Deno.test("fraiseql verify ends with 1 and says so where ClickHouse cannot be reached", async () => {
  await Stages.run(async (stages) => {
    await stages.observed.query("insert into t values (1)");
    await stages.observed.publishAll();
    const env = { ...stages.env(), FRAISEQL_CLICKHOUSE_URL: "http://127.0.0.1:1/fraiseql" };
    const { code, stdout, stderr } = await run(["verify"], env);
    equal(code, 1);
    equal(stdout, "1 events in the change log, 1 in NATS: the same\n");
    match(stderr, /ClickHouse at http:\/\/127.0.0.1:1 cannot be reached/);
  });
});
