/**
 * The publisher: events a second beside what PostgreSQL and NATS take for the same bytes by
 * themselves, how long a commit takes to a consumer, and memory after millions of events.
 */

import { publishPage } from "../lib/events/atomic_publish.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { eventLines } from "../lib/events/entity_event.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import { streamState } from "../lib/events/stream_state.ts";
import { prepareReader } from "../lib/postgres/change_log.ts";
import { EVENT_COLUMNS } from "../lib/postgres/change_log/event_row.ts";
import { FROM_SERVER, Messages } from "../lib/postgres/messages.ts";
import { connect } from "../lib/postgres/connection.ts";
import {
  median,
  quantile,
  ratios,
  ratioText,
  seconds,
  short,
  spread,
  type Table,
} from "./figures.ts";
import type { Report } from "./main.ts";
import { emptyProgram } from "./memory.ts";
import { memoryOf, resetPeak, runProgram } from "./processes.ts";
import { type Cpu, delay, PublisherStage } from "./publisher_stage.ts";
import { note, type Stage } from "./stage.ts";

/** One way of a log's events, or of their bytes. */
interface Sample {
  readonly seconds: number;
  readonly cpu: Cpu;
}

type Way = (scene: PublisherStage) => Promise<Sample>;

const WAYS: Readonly<Record<string, Way>> = {
  "fraiseql observe": publishLog,
  "PostgreSQL alone: COPY of the same columns": (scene) => drain(scene, ""),
  "PostgreSQL alone: the same in order": (scene) => drain(scene, "order by position"),
  "NATS alone: the same bytes by a plain publisher": publishBytes,
};

const messageBytes = 256 * 1024;

/** Rates, then latency, then memory, on one log that grows. */
export async function benchPublisher(stage: Stage): Promise<Report> {
  const scene = await PublisherStage.open(stage);
  try {
    const events = stage.quick ? 20_000 : 1_000_000;
    note(`publisher: making ${events.toLocaleString("en")} events`);
    await scene.fill(events, 100);
    await scene.connection.query("vacuum analyze fraiseql.change_log");
    const rates: Record<string, Sample[]> = {};
    for (let round = 0; round <= stage.rounds; round++) {
      for (const name of Object.keys(WAYS)) {
        const sample = await WAYS[name]!(scene);
        // The first round fills caches, and the stream whose bytes are published alone.
        if (round > 0) (rates[name] ??= []).push(sample);
      }
    }
    note("publisher: latency");
    const latency = await measureLatency(scene);
    note("publisher: memory");
    const floorMs = await measureBatches(scene);
    const memory = await measureMemory(scene, events);
    return {
      tables: [rateTable(rates, events), latencyTable(latency, floorMs), memoryTable(memory)],
      samples: { rates, latency, floorMs, memory },
    };
  } finally {
    await scene.stop();
  }
}

async function publishLog(scene: PublisherStage): Promise<Sample> {
  await scene.emptyStreams();
  const publisher = await scene.startWaiting();
  const before = scene.cpu(publisher.pid);
  const began = await publisher.go();
  const ended = await scene.untilPublished();
  const cpu = minus(scene.cpu(publisher.pid), before);
  await publisher.stop();
  return { seconds: (ended - began) / 1000, cpu };
}

/** Reads all rows of the log as PostgreSQL sends them, and looks at none. */
async function drain(scene: PublisherStage, order: string): Promise<Sample> {
  const connection = await connect({ url: scene.url });
  await prepareReader(connection);
  const before = scene.cpu(Deno.pid);
  const began = performance.now();
  const sql = `copy (select ${EVENT_COLUMNS} from fraiseql.change_log l ${order})
    to stdout (format binary)`;
  const written = connection.send(new Messages().query(sql), 1);
  while (connection.unanswered > 0) {
    const letter = connection.wire.tryNextButRows();
    if (letter === FROM_SERVER.error) throw connection.failure();
    if (letter === 0) await connection.wire.fill();
    else connection.take(letter);
  }
  await written;
  const sample = {
    seconds: (performance.now() - began) / 1000,
    cpu: minus(scene.cpu(Deno.pid), before),
  };
  await connection.close();
  return sample;
}

/** As many bytes as the stream holds, in messages of the publisher's size. */
async function publishBytes(scene: PublisherStage): Promise<Sample> {
  const { bytes } = await streamState(scene.nats, STREAM.events);
  const program = new URL("publisher_raw.ts", import.meta.url);
  const url = scene.adminUrl;
  const before = scene.cpu(Deno.pid);
  const args = ["run", "--allow-all", program.pathname, url, String(bytes), String(messageBytes)];
  const { seconds, cpu } = JSON.parse(await runProgram(Deno.execPath(), args));
  return { seconds, cpu: { ...minus(scene.cpu(Deno.pid), before), publisher: cpu } };
}

interface Latency {
  readonly load: string;
  readonly events: number;
  /** Milliseconds from the answer to the commit, and from the statement being sent. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly sentP50: number;
  readonly sentP99: number;
}

async function measureLatency(scene: PublisherStage): Promise<Latency[]> {
  const { quick } = scene.stage;
  await scene.emptyStreams();
  const publisher = await scene.start();
  try {
    await scene.untilPublished();
    await delay(1000);
    // deno-fmt-ignore: a table reads best as one
    const loads: [load: string, perSecond: number, secondsLong: number][] = [
      ["idle: a commit every 300 ms", 1000 / 300, quick ? 3 : 30],
      ["1,000 commits a second", 1000, quick ? 2 : 15],
    ];
    const taken = loads.map((): (readonly [number, number])[] => []);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const [index, [, perSecond, secondsLong]] of loads.entries()) {
        taken[index]!.push(...await followWrites(scene, perSecond, secondsLong));
      }
    }
    return loads.map(([load], index) => toLatency(load, taken[index]!));
  } finally {
    await publisher.stop();
  }
}

/** A program writes, and this one consumes: what came when, against what was committed when. */
async function followWrites(
  scene: PublisherStage,
  perSecond: number,
  secondsLong: number,
): Promise<(readonly [number, number])[]> {
  const { lastSequence } = await streamState(scene.nats, STREAM.events);
  const reader = await readOrdered({
    nats: scene.nats,
    stream: STREAM.events,
    from: lastSequence + 1,
    subjects: ["fraiseql.events.*"],
  });
  const count = Math.round(perSecond * secondsLong);
  const program = new URL("publisher_writer.ts", import.meta.url);
  const args = [
    "run",
    "--allow-all",
    program.pathname,
    scene.url,
    String(perSecond),
    String(count),
  ];
  const writing = runProgram(Deno.execPath(), args);
  writing.catch(() => {}); // it is awaited below
  const arrived = new Map<string, number>();
  const decoder = new TextDecoder();
  const stop = new AbortController();
  while (arrived.size < count) {
    const messages = await Promise.race([
      reader.pull({ messages: 1000, bytes: 8 << 20 }, stop.signal),
      writing.then(() => delay(30_000)).then(() => {
        throw new Error(`${arrived.size} of ${count} events came`);
      }),
    ]);
    const now = performance.timeOrigin + performance.now();
    for (const { data } of messages) {
      for (const line of eventLines(data)) {
        arrived.set(JSON.parse(decoder.decode(line)).data.notes, now);
      }
    }
  }
  reader.close();
  const written: [id: string, sentAt: number, committedAt: number][] = JSON.parse(await writing);
  return written.map(([id, sentAt, committedAt]) => {
    const at = arrived.get(id) ?? NaN;
    // It can be there before the writer has read the answer to its commit.
    return [Math.max(0, at - committedAt), at - sentAt] as const;
  });
}

/** What nats-server takes for the smallest page: an event and a checkpoint, in milliseconds. */
async function measureBatches(scene: PublisherStage): Promise<number[]> {
  await scene.emptyStreams();
  const taken: number[] = [];
  const data = new Uint8Array(400);
  for (let expected = 0; taken.length < (scene.stage.quick ? 20 : 200);) {
    const began = performance.now();
    const page = {
      messages: [{ subject: SUBJECT.event("Order"), data }],
      checkpoint: data,
      expected,
    };
    const published = await publishPage(scene.nats, page);
    taken.push(performance.now() - began);
    if (published.kind !== "published") throw new Error(`a page was ${published.kind}`);
    expected = published.sequence;
    await delay(10);
  }
  return taken;
}

function toLatency(load: string, taken: readonly (readonly [number, number])[]): Latency {
  const [committed, sent] = [taken.map(([ms]) => ms), taken.map(([, ms]) => ms)];
  return {
    load,
    events: taken.length,
    p50: median(committed),
    p99: quantile(committed, 0.99),
    max: Math.max(...committed),
    sentP50: median(sent),
    sentP99: quantile(sent, 0.99),
  };
}

interface Memory {
  readonly empty: number;
  readonly events: number;
  readonly idle: number;
  readonly peak: number;
  readonly after: number;
}

/** One process that publishes the log, and then as much again as it is written. */
async function measureMemory(scene: PublisherStage, logged: number): Promise<Memory> {
  const wanted = scene.stage.quick ? 2 * logged : 5_000_000;
  const empty = await emptyProgram();
  await scene.emptyStreams();
  const publisher = await scene.startWaiting();
  try {
    resetPeak(publisher.pid);
    const idle = memoryOf(publisher.pid).now;
    await publisher.go();
    await scene.untilPublished();
    for (let events = logged; events < wanted; events += logged) {
      await scene.fill(Math.min(logged, wanted - events), 10_000);
      await scene.untilPublished();
    }
    const { now, peak } = memoryOf(publisher.pid);
    return { empty, events: wanted, idle, peak, after: now };
  } finally {
    await publisher.stop();
  }
}

function minus(after: Cpu, before: Cpu): Cpu {
  return {
    publisher: after.publisher - before.publisher,
    postgres: after.postgres - before.postgres,
    nats: after.nats - before.nats,
  };
}

function rateTable(rates: Readonly<Record<string, readonly Sample[]>>, events: number): Table {
  const perSecond = (of: readonly Sample[] = []) => of.map((sample) => events / sample.seconds);
  const micros = (of: readonly number[]) =>
    spread(of.map((cpu) => cpu / events * 1e6), (value) => value.toFixed(2));
  const ours = perSecond(rates["fraiseql observe"]);
  return {
    title: "Change log to stream",
    columns: [
      ...["way", "events/s", "ours to it"],
      ...["program, CPU us/event", "PostgreSQL", "nats-server"],
    ],
    rows: Object.entries(rates).map(([name, samples]) => [
      name,
      spread(perSecond(samples), short),
      name === "fraiseql observe" ? "1" : ratioText(ratios(ours, perSecond(samples))),
      micros(samples.map(({ cpu }) => cpu.publisher)),
      micros(samples.map(({ cpu }) => cpu.postgres)),
      micros(samples.map(({ cpu }) => cpu.nats)),
    ]),
    notes: [
      `${
        events.toLocaleString("en")
      } events, written by statements of 100 rows, are published by a ` +
      "process that was started before and waited.",
    ],
  };
}

function latencyTable(latencies: readonly Latency[], floorMs: readonly number[]): Table {
  const ms = (value: number) => seconds(value / 1000);
  return {
    title: "Commit to consumer",
    columns: ["load", "events", "p50", "p99", "the longest", "p50 from the write", "p99"],
    rows: latencies.map((of) => [
      of.load,
      of.events.toLocaleString("en"),
      ...[of.p50, of.p99, of.max, of.sentP50, of.sentP99].map(ms),
    ]),
    notes: [
      "From the moment at which the writer has its commit's answer until a consumer in another " +
      "process has the event; and from the moment at which the statement was sent.",
      `nats-server alone takes ${ms(median(floorMs))}, at p99 ${ms(quantile(floorMs, 0.99))}, to ` +
      "answer an atomic batch of two small messages: it syncs each to the disk.",
    ],
  };
}

function memoryTable({ empty, events, idle, peak, after }: Memory): Table {
  const mebibytes = (bytes: number) => String(Math.round(bytes / 2 ** 20));
  return {
    title: "Memory of the publisher's process, MiB resident",
    columns: ["events", "waiting", "peak", "after", "peak above an empty Deno program"],
    rows: [[events.toLocaleString("en"), ...[idle, peak, after, peak - empty].map(mebibytes)]],
    notes: [`An empty Deno program holds ${mebibytes(empty)} MiB.`],
  };
}
