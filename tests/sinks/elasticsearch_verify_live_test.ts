/** `verify` and `replay` over all stages, from PostgreSQL to the store of searched events. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { limits } from "../../lib/limits.ts";
import { compareLog } from "../../lib/observer/verify.ts";
import { connect } from "../../lib/postgres/connection.ts";
import type { StoredSum } from "../../lib/search/store.ts";
import { verifySearch } from "../../sinks/elasticsearch_verify.ts";
import { openSearchIndex } from "../../sinks/search_place.ts";
import { Observed } from "../lib/observer/observed.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { SEARCH_PLACES, type Searching, searching, type SearchPlace } from "./searching.ts";

const server = await testPostgres();
await testNats();

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
        await stages.#sink?.stop();
      }
    });
    await place.remove();
  }

  start(): void {
    const { observed: { natsUrl: url, limits }, place } = this;
    this.#sink = searching({ url, limits }, place.settings);
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
}
