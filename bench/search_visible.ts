/** From a commit in PostgreSQL until a search finds the event, in both stores, while others write. */

import { join } from "node:path";
import { openElasticsearchSearch } from "../lib/elasticsearch/event_search.ts";
import { readElasticsearchUrl } from "../lib/elasticsearch/url.ts";
import { limits } from "../lib/limits.ts";
import { connect } from "../lib/postgres/connection.ts";
import { openSqliteSearch } from "../lib/search/sqlite/sqlite_search.ts";
import type { SearchStore } from "../lib/search/store.ts";
import { capturedDatabase } from "./clickhouse_latency.ts";
import { quantile, type Table } from "./figures.ts";
import type { Report } from "./main.ts";
import { runProgram, startProgram } from "./processes.ts";
import { delay } from "./publisher_stage.ts";
import { SearchStage } from "./search_stage.ts";
import { note, type Stage, taskArguments } from "./stage.ts";

interface Visible {
  readonly store: string;
  readonly perSecond: number;
  readonly ms: readonly number[];
}

/** Measures both stores, each with nobody else writing and with a thousand commits a second. */
export async function benchSearchVisible(stage: Stage): Promise<Report> {
  const samples = stage.quick ? 5 : 60;
  const visible: Visible[] = [];
  for (const store of ["Elasticsearch", "the embedded store"]) {
    const scene = await SearchStage.open();
    try {
      visible.push(...await measure(stage, scene, store, samples));
    } finally {
      await scene.stop();
    }
  }
  return { tables: [visibleTable(visible)], samples: visible };
}

async function measure(stage: Stage, scene: SearchStage, store: string, samples: number) {
  const url = await capturedDatabase(stage);
  const elasticsearchUrl = scene.prefixed("visible");
  const sink = await scene.sink({
    FRAISEQL_DATA_DIR: scene.folder,
    ...store === "Elasticsearch" && { FRAISEQL_ELASTICSEARCH_URL: elasticsearchUrl },
  });
  const publisher = await startProgram(Deno.execPath(), {
    args: taskArguments("observe"),
    env: { DATABASE_URL: url, FRAISEQL_NATS_URL: scene.natsUrl },
    find: (said) => said.startsWith('{"event":"publishing"') ? said : null,
  });
  const search = store === "Elasticsearch"
    ? openElasticsearchSearch({
      settings: readElasticsearchUrl(elasticsearchUrl),
      limits: limits(),
    })
    : openSqliteSearch({ folder: join(scene.folder, "search"), limits: limits() });
  try {
    const measured: Visible[] = [];
    await untilFound(url, search, 3); // the first ones load code and make the month's index
    for (const perSecond of [0, 1000]) {
      note(`search-visible: ${store}, ${perSecond} commits a second beside`);
      const isOver = new AbortController();
      const writing = beside(url, perSecond, isOver.signal);
      measured.push({ store, perSecond, ms: await untilFound(url, search, samples) });
      isOver.abort();
      await writing;
    }
    return measured;
  } finally {
    await search.close();
    await publisher.stop();
    await sink.stop();
  }
}

/** Other commits, in runs of two seconds, until the signal is aborted. */
async function beside(url: string, perSecond: number, signal: AbortSignal): Promise<void> {
  const program = new URL("publisher_writer.ts", import.meta.url);
  const args = ["run", "--allow-all", program.pathname, url, String(perSecond), `${perSecond * 2}`];
  while (perSecond > 0 && !signal.aborted) await runProgram(Deno.execPath(), args);
}

/** Milliseconds from the answer to a commit until a search finds its word, again and again. */
async function untilFound(url: string, store: SearchStore, samples: number): Promise<number[]> {
  const connection = await connect({ url });
  const taken: number[] = [];
  for (let n = 0; n < samples; n++) {
    const word = `w${crypto.randomUUID().replaceAll("-", "")}`;
    await connection.query(`insert into captured (notes) values ('${word}')`);
    const committedAt = performance.now();
    while (!await isFound(store, word)) {
      if (performance.now() - committedAt > lateMs) throw new Error(`${word} is not found`);
      await delay(askEveryMs);
    }
    taken.push(performance.now() - committedAt);
    // Not in step with the refreshes of the store.
    await delay(Math.random() * 1000);
  }
  await connection.close();
  return taken;
}

async function isFound(store: SearchStore, word: string): Promise<boolean> {
  const query = {
    terms: [{ kind: "word", word }],
    condition: null,
    order: "newest",
    first: 1,
    after: null,
    wantsTotal: false,
  } as const;
  const { hits } = await store.search(query, { signal: never, secondsMax: 30 });
  return hits.length > 0;
}

const never = new AbortController().signal;
/** So much at most is added to what is measured, and the question itself. */
const askEveryMs = 10;
const lateMs = 30_000;

function visibleTable(visible: readonly Visible[]): Table {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return {
    title: "Commit to found by a search",
    columns: ["store", "other commits a second", "commits", "p50", "p95", "the longest"],
    rows: visible.map(({ store, perSecond, ms: taken }) => [
      store,
      String(perSecond),
      String(taken.length),
      ...[quantile(taken, 0.5), quantile(taken, 0.95), Math.max(...taken)].map(ms),
    ]),
  };
}
