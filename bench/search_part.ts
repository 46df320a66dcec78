/**
 * The store of searched events: documents a second into Elasticsearch beside the same bodies sent by
 * themselves, memory of the sink's process, and how long searches take on both stores.
 */

import { join } from "node:path";
import { bulkBodies } from "../lib/elasticsearch/bulk.ts";
import { connectElasticsearch, type Elasticsearch } from "../lib/elasticsearch/client.ts";
import { openElasticsearchIndex } from "../lib/elasticsearch/event_index.ts";
import { openElasticsearchSearch } from "../lib/elasticsearch/event_search.ts";
import { namesWith } from "../lib/elasticsearch/names.ts";
import { readElasticsearchUrl } from "../lib/elasticsearch/url.ts";
import { limits } from "../lib/limits.ts";
import { sqliteIndex } from "../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../lib/search/sqlite/sqlite_search.ts";
import type { IndexedEvent, SearchIndex, SearchStore } from "../lib/search/store.ts";
import { median, ratios, ratioText, short, spread, type Table } from "./figures.ts";
import type { Report } from "./main.ts";
import { emptyProgram } from "./memory.ts";
import { memoryOf, type Running } from "./processes.ts";
import { COLUMNS, eventLines, indexedEvents, type Question, QUESTIONS } from "./search_events.ts";
import { SearchStage } from "./search_stage.ts";
import { note, type Stage } from "./stage.ts";

/** Seconds of each round, by the way that the documents took. */
type Rates = Record<"raw" | "write" | "sink", number[]>;

interface Memory {
  readonly empty: number;
  readonly waiting: number;
  readonly peak: number;
}

interface Latencies {
  readonly store: string;
  readonly documents: number;
  readonly question: string;
  readonly ms: readonly number[];
  readonly found: number;
}

const signal = new AbortController().signal;
const names = COLUMNS.map(({ name }) => name);
/** More than any event is old. */
const retentionDays = 90;

/** Measures how fast documents come in, and the sink's memory meanwhile. */
export async function benchSearchSink(stage: Stage): Promise<Report> {
  const scene = await SearchStage.open();
  try {
    const events = stage.quick ? 5000 : 60_000;
    const { rates, memory } = await measureRates(scene, events, stage.rounds);
    const tables = [rateTable(rates, events), memoryTable(memory, events * (stage.rounds + 1))];
    return { tables, samples: { rates, memory } };
  } finally {
    await scene.stop();
  }
}

/** Fills both stores, and measures how long searches take. */
export async function benchSearch(stage: Stage): Promise<Report> {
  const scene = await SearchStage.open();
  try {
    const elasticsearch = await elasticsearchLatencies(scene, stage.rows);
    const embedded = await embeddedLatencies(scene, stage.quick ? 10_000 : 300_000);
    const latencies = [...elasticsearch, ...embedded.latencies];
    const { perSecond } = embedded;
    return { tables: [latencyTable(latencies, perSecond)], samples: { latencies, perSecond } };
  } finally {
    await scene.stop();
  }
}

/** Each way has indices of its own, which grow alike. The first round warms up. */
async function measureRates(scene: SearchStage, events: number, rounds: number) {
  const total = (rounds + 1) * events;
  const rates: Rates = { raw: [], write: [], sink: [] };
  const index = await openIndex(scene.prefixed("write"));
  const raw = connectElasticsearch(readElasticsearchUrl(scene.prefixed("raw")), limits());
  await (await openIndex(scene.prefixed("raw"))).close();
  const empty = await emptyProgram();
  const sink = await scene.sink({ FRAISEQL_ELASTICSEARCH_URL: scene.prefixed("sink") });
  const waiting = memoryOf(sink.pid).now;
  try {
    for (let round = 0; round <= rounds; round++) {
      note(`search: bulk, round ${round} of ${rounds}`);
      const lines = eventLines(round * events, events, total);
      const ways: Record<keyof Rates, () => Promise<number>> = {
        raw: () => sendRaw(raw, indexedEvents(lines)),
        write: () => write(index, indexedEvents(lines)),
        sink: () => throughSink(scene, sink, lines),
      };
      const order = ["raw", "write", "sink"] as const;
      for (const name of round % 2 ? order : order.toReversed()) {
        const taken = await ways[name]();
        if (round > 0) rates[name].push(taken);
      }
    }
    return { rates, memory: { empty, waiting, peak: memoryOf(sink.pid).peak } };
  } finally {
    await sink.stop();
    raw.close();
    await index.close();
  }
}

async function openIndex(url: string): Promise<SearchIndex> {
  const settings = readElasticsearchUrl(url);
  const index = openElasticsearchIndex({
    settings,
    columns: names,
    retentionDays,
    limits: limits(),
  });
  await index.ensure(signal);
  return index;
}

/** The same bodies, made before, two at a time; nobody looks at what the answer says of each. */
async function sendRaw(
  elasticsearch: Elasticsearch,
  events: readonly IndexedEvent[],
): Promise<number> {
  const { index } = namesWith(elasticsearch.settings.prefix);
  const items = events.map((event, row) => ({ row, event, index: index(event.timestamp) }));
  const bodies = [...bulkBodies(items, "elasticsearch", () => limits().elasticsearchBulkBytesMax)];
  const began = performance.now();
  const send = async () => {
    for (let body = bodies.shift(); body; body = bodies.shift()) {
      const path = "/_bulk?filter_path=errors,items.*.status,items.*.error";
      await elasticsearch.bytes("POST", path, { body: body.bytes, signal });
    }
  };
  await Promise.all([send(), send()]);
  return (performance.now() - began) / 1000;
}

/** As the sink calls it: a pull at a time. */
async function write(index: SearchIndex, events: readonly IndexedEvent[]): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < events.length; i += pullEvents) {
    const refused = await index.write(events.slice(i, i + pullEvents), signal);
    if (refused.length > 0) throw new Error(refused[0]?.reason);
  }
  return (performance.now() - began) / 1000;
}

/** Events of about 8 MiB, which the sink takes at once. */
const pullEvents = 12_000;

/** The process stands still while its events are published. */
async function throughSink(scene: SearchStage, sink: Running, lines: readonly Uint8Array[]) {
  Deno.kill(sink.pid, "SIGSTOP");
  await scene.publish(lines);
  const began = performance.now();
  Deno.kill(sink.pid, "SIGCONT");
  return (await scene.untilStored() - began) / 1000;
}

async function elasticsearchLatencies(scene: SearchStage, documents: number) {
  const url = scene.prefixed("search");
  const index = await openIndex(url);
  for (let n = 0; n < documents; n += pullEvents) {
    await write(
      index,
      indexedEvents(eventLines(n, Math.min(pullEvents, documents - n), documents)),
    );
    if (n % (10 * pullEvents) < pullEvents) note(`search: ${n.toLocaleString("en")} documents`);
  }
  await index.close();
  const settings = readElasticsearchUrl(url);
  const elasticsearch = connectElasticsearch(settings, limits());
  await elasticsearch.json("POST", `/${namesWith(settings.prefix).pattern}/_refresh`);
  elasticsearch.close();
  const store = openElasticsearchSearch({ settings, limits: limits() });
  return await ask(store, "Elasticsearch", documents);
}

async function embeddedLatencies(scene: SearchStage, documents: number) {
  const folder = join(scene.folder, "search");
  const index = sqliteIndex({ folder, columns: names, retentionDays });
  let seconds = 0;
  for (let n = 0; n < documents; n += pullEvents) {
    const count = Math.min(pullEvents, documents - n);
    seconds += await write(index, indexedEvents(eventLines(n, count, documents)));
  }
  await index.close();
  const store = openSqliteSearch({ folder, limits: limits() });
  const latencies = await ask(store, "the embedded store", documents);
  return { perSecond: documents / seconds, latencies };
}

/** Each question by turns, with its total, the first 20. */
async function ask(store: SearchStore, name: string, documents: number): Promise<Latencies[]> {
  const taken = new Map<Question, { ms: number[]; found: number }>();
  for (let n = 0; n < asked + warmups; n++) {
    for (const question of QUESTIONS) {
      const word = question.text;
      const began = performance.now();
      const { total } = await store.search({
        terms: word === undefined ? [] : [{ kind: "word", word }],
        condition: question.condition(n),
        order: "newest",
        first: 20,
        after: null,
        wantsTotal: true,
      }, { signal, secondsMax: 60 });
      if (n < warmups) continue;
      const of = taken.get(question) ?? { ms: [], found: 0 };
      of.ms.push(performance.now() - began);
      of.found += total ?? 0;
      taken.set(question, of);
    }
  }
  await store.close();
  return [...taken].map(([question, { ms, found }]) => ({
    store: name,
    documents,
    question: question.name,
    ms,
    found,
  }));
}

const asked = 200;
const warmups = 20;

function rateTable({ raw, write, sink }: Rates, events: number): Table {
  const rate = (taken: readonly number[]) =>
    spread(taken.map((seconds) => events / seconds), short);
  const beside = (taken: readonly number[]) => ratioText(ratios(raw, taken));
  return {
    title: "Documents a second into Elasticsearch",
    columns: ["way", "documents/s", "of the bodies alone"],
    rows: [
      ["the same bodies, made before, two at a time", rate(raw), ""],
      ["written by the sink's store: bodies made, answers read", rate(write), beside(write)],
      ["fraiseql sink elasticsearch, from NATS to the acknowledgement", rate(sink), beside(sink)],
    ],
    notes: [
      `${events.toLocaleString("en")} events of about 650 bytes in a round.`,
    ],
  };
}

function memoryTable({ empty, waiting, peak }: Memory, events: number): Table {
  const mebibytes = (bytes: number) => String(Math.round(bytes / 2 ** 20));
  return {
    title: "Memory of the sink's process, MiB resident",
    columns: ["events", "waiting", "peak", "peak above an empty Deno program"],
    rows: [[events.toLocaleString("en"), ...[waiting, peak, peak - empty].map(mebibytes)]],
    notes: [`An empty Deno program holds ${mebibytes(empty)} MiB.`],
  };
}

function latencyTable(latencies: readonly Latencies[], embeddedPerSecond: number): Table {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return {
    title: "Searches: the newest 20, with the total",
    columns: ["store", "documents", "question", "p50", "p95", "found on average"],
    rows: latencies.map(({ store, documents, question, ms: taken, found }) => [
      store,
      documents.toLocaleString("en"),
      question,
      ms(median(taken)),
      ms(taken.toSorted((a, b) => a - b)[Math.floor(taken.length * 0.95)] ?? NaN),
      short(found / taken.length),
    ]),
    notes: [
      `${asked} of each, one at a time, each with other values. The embedded store took its ` +
      `documents at ${short(embeddedPerSecond)}/s.`,
    ],
  };
}
