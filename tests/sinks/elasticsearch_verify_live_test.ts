/** `verify` and `replay` over all stages, from PostgreSQL to the store of searched events. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { limits } from "../../lib/limits.ts";
import { compareLog } from "../../lib/observer/verify.ts";
import { connect } from "../../lib/postgres/connection.ts";
import type { StoredSum } from "../../lib/search/store.ts";
import { replaySearch } from "../../sinks/elasticsearch_replay.ts";
import { verifySearch } from "../../sinks/elasticsearch_verify.ts";
import { openSearchIndex, openSearchStore } from "../../sinks/search_place.ts";
import { run } from "../commands/program.ts";
import { Observed } from "../lib/observer/observed.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import {
  countStored,
  SEARCH_PLACES,
  type Searching,
  searching,
  type SearchPlace,
} from "./searching.ts";

const server = await testPostgres();
await testNats();
await testElasticsearch();

const table = {
  sql: "create table t (id int primary key, v int); create table u (id int primary key)",
  tables: ["t", "u"],
};
const retentionDays = 90;
const { signal } = new AbortController();

/** All stages but the publisher, which a test lets run when it likes. */
class Stages {
  #sink: Searching | null = null;
  /** What the store is said to have. */
  onSums = (sums: readonly StoredSum[]) => Promise.resolve(sums);

  private constructor(readonly observed: Observed, readonly place: SearchPlace) {}

  static async run(
    make: () => Promise<SearchPlace>,
    work: (stages: Stages) => Promise<void>,
  ): Promise<void> {
    const place = await make();
    await Observed.run(server, table, async (observed) => {
      const stages = new Stages(observed, place);
      try {
        await work(stages);
      } finally {
        await stages.stop();
      }
    });
    await place.remove();
  }

  start(): void {
    const { observed: { natsUrl: url, limits }, place } = this;
    this.#sink = searching({ url, limits }, place.settings);
  }

  async stop(): Promise<void> {
    await this.#sink?.stop();
  }

  async replay({
    isDry = false,
    entityType = null,
    from = new Date(Date.now() - 3_600_000),
    onProgress = () => {},
    signal: own = signal,
    ...some
  }: {
    readonly isDry?: boolean;
    readonly entityType?: string | null;
    readonly from?: Date;
    readonly onProgress?: () => void;
    readonly signal?: AbortSignal;
    readonly verifyWaitSecondsMax?: number;
  } = {}) {
    const { observed: { nats }, place: { settings } } = this;
    const store = openSearchStore(settings, limits());
    const done = replaySearch({
      nats,
      store,
      retentionDays,
      from,
      to: new Date(Date.now() + 3_600_000),
      entityType,
      isDry,
      limits: limits(some),
      onProgress,
      signal: own,
    });
    const { found, missing, coming } = await done.finally(() => store.close());
    return { found, missing, coming };
  }

  stored(): Promise<number> {
    return countStored(this.place.settings);
  }

  env() {
    const { observed: { url, natsUrl }, place: { env } } = this;
    return { ...env, DATABASE_URL: url, FRAISEQL_NATS_URL: natsUrl };
  }

  async verify({ since = null, verifyWaitSecondsMax = 60, onWait = () => {} }: {
    readonly since?: Date | null;
    readonly verifyWaitSecondsMax?: number;
    readonly onWait?: () => void;
  } = {}) {
    const { observed: { connection, nats }, place } = this;
    const all = limits({ ...this.observed.limits, verifyWaitSecondsMax });
    const found = await compareLog({ connection, nats, limits: all, since, signal });
    const inner = openSearchIndex(place.settings, all);
    const sums = async (from: number) => await this.onSums(await inner.sums(from, signal));
    try {
      return await verifySearch({
        nats,
        index: { sums },
        log: found.log,
        checkpoint: found.checkpoint?.sequence ?? 0,
        since,
        retentionDays,
        limits: all,
        onWait,
        signal,
      });
    } finally {
      await inner.close();
    }
  }
}

for (const [name, make] of Object.entries(SEARCH_PLACES)) {
  const test = (sentence: string, work: (stages: Stages) => Promise<void>) =>
    Deno.test(`verifySearch() on ${name} ${sentence}`, () => Stages.run(make, work));

  test("agrees, what is on its way and what is not published left out", async (stages) => {
    const { observed } = stages;
    await observed.query(
      "insert into t select generate_series(1, 12000); insert into u values (1)",
    );
    await observed.publishAll();
    await observed.query("insert into t values (12001)");
    let waits = 0;
    const onWait = () => {
      waits++;
      stages.start();
    };
    const found = await stages.verify({ onWait });
    deepEqual([found.wanted, found.stored, found.differences, waits], [12_001, 12_001, [], 1]);
    const later = await stages.verify({ since: new Date(Date.now() + 7_200_000) });
    deepEqual([later.wanted, later.stored], [0, 0]);
  });

  test("agrees beside writers, whatever comes while it counts", async (stages) => {
    const { observed } = stages;
    stages.start();
    const running = observed.start();
    const own = await connect({ url: observed.url });
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n += 100) {
        await own.query(`insert into t select generate_series(${n}, ${n + 99})`);
        await delay(50); // Elasticsearch must be able to follow
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

  test("tells the hour and type of what is lost, changed or too much", async (stages) => {
    const { observed } = stages;
    await observed.query("insert into t select generate_series(1, 10); insert into u values (1)");
    await observed.publishAll();
    stages.start();
    equal((await stages.verify()).differences.length, 0);
    const changed = async (change: (sum: StoredSum) => StoredSum) => {
      stages.onSums = (sums) => Promise.resolve(sums.map(change));
      const { differences } = await stages.verify();
      return differences.map(({ entityType, logged, stored }) => [entityType, logged, stored]);
    };
    const ofU = (sum: StoredSum) => sum.entityType === "u";
    deepEqual(await changed((sum) => ofU(sum) ? { ...sum, count: 0, hash: 0n } : sum), [[
      "u",
      1,
      0,
    ]]);
    deepEqual(await changed((sum) => ofU(sum) ? { ...sum, hash: 7n } : sum), [["u", 1, 1]]);
    deepEqual(await changed((sum) => ofU(sum) ? sum : { ...sum, count: 11 }), [["t", 10, 11]]);
  });

  test("does not wait longer than verifyWaitSecondsMax", async (stages) => {
    await stages.observed.query("insert into t values (1)");
    await stages.observed.publishAll();
    await rejects(stages.verify({ verifyWaitSecondsMax: 1 }), (error: Error) => {
      match(error.message, /within 1 s$/);
      return (error as { code?: string }).code === "UNAVAILABLE";
    });
  });

  const replayTest = (sentence: string, work: (stages: Stages) => Promise<void>) =>
    Deno.test(`replay to ${name} ${sentence}`, () => Stages.run(make, work));

  replayTest(
    "brings back what it lost and nothing else, and verify agrees again",
    async (stages) => {
      const { observed, place } = stages;
      await observed.query("insert into t select generate_series(1, 5000)");
      await observed.query("insert into u select generate_series(1, 300)");
      await observed.publishAll();
      stages.start();
      await stages.verify();
      deepEqual(await stages.replay(), { found: 5300, missing: 0, coming: 0 });
      await stages.stop();
      await place.lose();
      stages.start();
      deepEqual(
        (await stages.verify()).differences.map(({ entityType, stored }) => [entityType, stored]),
        [["t", 0], ["u", 0]],
      );
      const disagreed = await run(["verify"], stages.env());
      equal(disagreed.code, 1);
      match(disagreed.stdout, /Z u: 300 in the change log, 0 in .*\n/);
      match(disagreed.stdout, /5300 events of the last 90 days, 0 in .*: NOT the same\n$/);

      deepEqual(await stages.replay({ isDry: true }), { found: 5300, missing: 5300, coming: 0 });
      equal(await stages.stored(), 0);
      const none = await stages.replay({ from: new Date(Date.now() + 1_800_000) });
      deepEqual([none.found, none.missing], [0, 0]);
      const one = await stages.replay({ entityType: "u" });
      deepEqual([one.found, one.missing, await stages.stored()], [300, 300, 300]);
      // One that is stopped in the middle is repeated.
      const stopping = new AbortController();
      const stopped = stages.replay({
        onProgress: () => stopping.abort(),
        signal: stopping.signal,
      });
      await rejects(stopped, { code: "CANCELLED" });
      const some = await stages.stored();
      equal(some > 300 && some < 5300, true, String(some));

      const hour = (ms: number) => new Date(Date.now() + ms).toISOString();
      const flags = [
        "--from",
        hour(-3_600_000),
        "--to",
        hour(3_600_000),
        "--sink",
        "elasticsearch",
      ];
      const rest = await run(["replay", ...flags], stages.env());
      equal(rest.code, 0, rest.stderr);
      const words = `5300 events of that time in FRAISEQL_EVENTS, ${5300 - some} not in `;
      equal(rest.stdout.startsWith(words), true, rest.stdout);
      match(rest.stdout, new RegExp(`, ${5300 - some} added\n$`));
      deepEqual((await stages.verify()).differences, []);
      const agreed = await run(["verify"], stages.env());
      equal(agreed.code, 0, agreed.stdout);
      match(agreed.stdout, /5300 events of the last 90 days, 5300 in .*: the same\n$/);
    },
  );

  replayTest("says so where no sink takes what it gives", async (stages) => {
    const { observed, place } = stages;
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    await rejects(stages.replay(), { code: "UNAVAILABLE", message: /it never ran$/ });
    stages.start();
    await stages.verify();
    await stages.stop();
    await place.lose();
    await rejects(stages.replay({ verifyWaitSecondsMax: 1 }), { code: "UNAVAILABLE" });
    stages.start();
    deepEqual((await stages.verify()).differences, [], "what was given to it stayed there");
  });
}
