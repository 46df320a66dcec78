/**
 * The way to ClickHouse: an insert beside the same bytes by a bare client; events a second from
 * NATS by the bridge and the sink beside what ClickHouse takes by itself; their memory; how long a
 * commit takes until its event can be read.
 */

import { EVENTS } from "../lib/clickhouse/tables.ts";
import { LIMITS } from "../lib/limits.ts";
import { type InsertTimes, measureInserts } from "./clickhouse_inserts.ts";
import { measureVisible } from "./clickhouse_latency.ts";
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
import { type LineCpu, LineStage } from "./line_stage.ts";
import type { Report } from "./main.ts";
import { emptyProgram } from "./memory.ts";
import { memoryOf, resetPeak, runProgram } from "./processes.ts";
import { delay } from "./publisher_stage.ts";
import { note, type Stage } from "./stage.ts";

/** All events once through the line. */
interface LineSample {
  readonly seconds: number;
  readonly cpu: LineCpu;
  readonly bridge: Memory;
  readonly sink: Memory;
}

interface Memory {
  readonly idle: number;
  readonly peak: number;
}

/** The same batches by a bare client. */
interface BareSample {
  readonly seconds: number;
  readonly inserts: number;
  /** CPU seconds of the client and of ClickHouse. */
  readonly client: number;
  readonly clickhouse: number;
}

/** Rates and memory on one stream that is filled once, then latency on another. */
export async function benchClickhouse(stage: Stage): Promise<Report> {
  const events = stage.quick ? 100_000 : 2_000_000;
  const empty = await emptyProgram();
  const line: LineSample[] = [];
  const bare: BareSample[] = [];
  const scene = await LineStage.open();
  let inserts: InsertTimes;
  try {
    inserts = await measureInserts(scene, stage.quick ? 10 : 60);
    note(`clickhouse: making ${events.toLocaleString("en")} events`);
    await scene.fill(events);
    for (let round = 0; round < Math.min(stage.rounds, 3); round++) {
      line.push(await throughLine(scene, events));
      bare.push(await throughBareClient(scene));
      await checkStored(scene, events);
    }
  } finally {
    await scene.stop();
  }
  note("clickhouse: latency");
  const visible = await measureVisible(stage, 1000, stage.quick ? 3 : 30);
  return {
    tables: [
      insertTable(inserts),
      rateTable(line, bare, events),
      memoryTable(line, empty, events),
      visibleTable(visible),
    ],
    samples: { empty, inserts, line, bare, visible },
  };
}

async function throughLine(scene: LineStage, events: number): Promise<LineSample> {
  await scene.empty();
  const workers = await scene.startWaiting();
  await delay(settleMs);
  const before = scene.cpu(workers);
  const idle = { bridge: memoryOf(workers.bridge).now, sink: memoryOf(workers.sink).now };
  resetPeak(workers.bridge);
  resetPeak(workers.sink);
  const began = await scene.go();
  const ended = await scene.untilVisible(events);
  const after = scene.cpu(workers);
  const memory = (worker: "bridge" | "sink") => ({
    idle: idle[worker],
    peak: memoryOf(workers[worker]).peak,
  });
  const sample = {
    seconds: (ended - began) / 1000,
    cpu: {
      bridge: after.bridge - before.bridge,
      sink: after.sink - before.sink,
      nats: after.nats - before.nats,
      clickhouse: after.clickhouse - before.clickhouse,
    },
    bridge: memory("bridge"),
    sink: memory("sink"),
  };
  await workers.stop();
  await checkStored(scene, events);
  return sample;
}

async function checkStored({ clickhouse }: LineStage, events: number): Promise<void> {
  const [found] = await clickhouse.rows<{ events: string }>(
    `SELECT count() AS events FROM ${EVENTS}`,
  );
  if (Number(found?.events) !== events) throw new Error(`${found?.events} of ${events} events`);
}

/** What the two do when they have just begun to wait is not counted. */
const settleMs = 1000;

/** The batches that the line has made, in inserts as large as the sink's may be. */
async function throughBareClient(scene: LineStage): Promise<BareSample> {
  await scene.emptyClickhouse();
  const program = new URL("clickhouse_raw.ts", import.meta.url);
  const bytes = LIMITS.clickhousePullBytesMax.value;
  const before = scene.clickhouseCpu();
  const { seconds, cpu: client, inserts } = JSON.parse(
    await runProgram(Deno.execPath(), [
      ...["run", "--allow-all", program.pathname],
      ...[scene.server.url, scene.clickhouseUrl, String(bytes)],
    ]),
  );
  return { seconds, inserts, client, clickhouse: scene.clickhouseCpu() - before };
}

function insertTable(times: InsertTimes): Table {
  const ms = (value: number) => seconds(value / 1000);
  const row = (name: string, of: readonly number[]) => [
    name,
    ...[Math.min(...of), median(of), quantile(of, 0.9), Math.max(...of)].map(ms),
  ];
  return {
    title: "Insert of 10,000 events",
    columns: ["way", "least", "p50", "p90", "the longest"],
    rows: [
      row("the sink: from the message to ClickHouse's answer", times.sink),
      row("the same bytes by a bare client", times.bare),
    ],
    notes: [`${times.sink.length} of each by turns, one after the other.`],
  };
}

function rateTable(
  line: readonly LineSample[],
  bare: readonly BareSample[],
  events: number,
): Table {
  const perSecond = (of: readonly { readonly seconds: number }[]) =>
    of.map((sample) => events / sample.seconds);
  const micros = (of: readonly number[]) =>
    spread(of.map((cpu) => cpu / events * 1e6), (value) => value.toFixed(2));
  return {
    title: "NATS to ClickHouse",
    columns: [
      ...["way", "events/s", "ours to it"],
      ...["bridge, CPU us/event", "sink or client", "nats-server", "ClickHouse"],
    ],
    rows: [
      [
        "FRAISEQL_EVENTS, bridge, sink, ClickHouse",
        spread(perSecond(line), short),
        "1",
        micros(line.map(({ cpu }) => cpu.bridge)),
        micros(line.map(({ cpu }) => cpu.sink)),
        micros(line.map(({ cpu }) => cpu.nats)),
        micros(line.map(({ cpu }) => cpu.clickhouse)),
      ],
      [
        "ClickHouse alone: the same batches by a bare client",
        spread(perSecond(bare), short),
        ratioText(ratios(perSecond(line), perSecond(bare))),
        "",
        micros(bare.map(({ client }) => client)),
        "",
        micros(bare.map(({ clickhouse }) => clickhouse)),
      ],
    ],
    notes: [
      `${
        events.toLocaleString("en")
      } events of 423 bytes lie in the stream; bridge and sink were ` +
      `started before and waited. The bare client's ${
        bare[0]?.inserts ?? 0
      } inserts are as large ` +
      "as the sink's may be, and were made ready before.",
    ],
  };
}

function memoryTable(line: readonly LineSample[], empty: number, events: number): Table {
  const mebibytes = (bytes: number) => String(Math.round(bytes / 2 ** 20));
  const row = (name: string, of: readonly Memory[]) => [
    name,
    spread(of.map(({ idle }) => idle), mebibytes),
    spread(of.map(({ peak }) => peak), mebibytes),
    spread(of.map(({ peak }) => peak - empty), mebibytes),
  ];
  return {
    title: "Memory of bridge and sink as processes, MiB resident",
    columns: ["process", "waiting", "peak", "peak above an empty Deno program"],
    rows: [
      row("deno task bridge", line.map(({ bridge }) => bridge)),
      row("deno task sink:clickhouse", line.map(({ sink }) => sink)),
    ],
    notes: [
      `${events.toLocaleString("en")} events as fast as they can. An empty Deno program holds ` +
      `${mebibytes(empty)} MiB.`,
    ],
  };
}

function visibleTable(taken: readonly number[]): Table {
  const ms = (value: number) => seconds(value / 1000);
  return {
    title: "Commit to visible in ClickHouse, at 1,000 commits a second",
    columns: ["events", "p50", "p99", "the longest"],
    rows: [[
      taken.length.toLocaleString("en"),
      ...[quantile(taken, 0.5), quantile(taken, 0.99), Math.max(...taken)].map(ms),
    ]],
    notes: [
      "From the answer to the commit until fraiseql_events gives the event to a program that asks " +
      "for what is new, 10 ms after each answer.",
    ],
  };
}
