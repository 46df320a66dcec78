/**
 * Many events through the whole line, each worker a process as in production: what they hold in
 * memory stays as it was early on, and what lies on the way stays within its limits. Ten million:
 * `deno task soak`, or FRAISEQL_TEST_EVENTS=10000000; by itself `deno task test` writes 200,000.
 */

import { ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { storeBytesMax } from "../../lib/events/streams.ts";
import { EVENTS } from "../../lib/clickhouse/tables.ts";
import { emptyProgram } from "../../bench/memory.ts";
import { note } from "../../bench/stage.ts";
import { BULK_TABLES, MAKE_TABLES, statementRows, writeEvents } from "./bulk_writers.ts";
import { Line, LINE_WORKERS } from "./line.ts";
import { type DiskSample, Samples } from "./samples.ts";

const MiB = 1024 * 1024;
const events = Number(Deno.env.get("FRAISEQL_TEST_EVENTS") ?? 200_000);
const manyEvents = 2_000_000;
/** A worker has met everything by then that makes it grow at first. */
const early = events >= manyEvents ? events / 10 : events / 4;

/** So small that each is crossed: an event has about 450 bytes in the log and 400 in a stream. */
const some = {
  changeLogBytesMax: Math.max(40 * MiB, events * 200),
  eventStreamBytesMax: Math.max(24 * MiB, events * 50),
  batchStreamBytesMax: Math.max(24 * MiB, events * 50),
  ingestStreamBytesMax: MiB,
  deadStreamBytesMax: MiB,
  // What everybody has leaves at once.
  changeLogKeepHours: 0,
  eventStreamKeepHours: 0,
};

Deno.test(`the line holds no more for ${events} events than for ${early}, in memory and on the disk`, async () => {
  await using line = await Line.start({ sql: MAKE_TABLES, tables: BULK_TABLES, some });
  const samples = new Samples(line);
  samples.lookAtMemory();
  const beganMs = performance.now();
  const writing = Promise.all(BULK_TABLES.map((table, index) => {
    const [from, to] = [index, index + 1].map((n) => Math.round(events * n / BULK_TABLES.length));
    return writeEvents(line.databaseUrl, table, to! - from!);
  }));
  let failure: unknown = null;
  writing.catch((error) => failure = error);
  for (let looks = 0; samples.stored < events; looks++) {
    const sample = await samples.look();
    line.checkWorkers();
    if (failure !== null) throw failure;
    if (looks % saidEvery === 0) say(samples, sample, beganMs);
    for (let n = 0; n < memoryLooks; n++) {
      samples.lookAtMemory();
      await delay(1000 / memoryLooks);
    }
  }
  const seconds = (performance.now() - beganMs) / 1000;
  const written = await writing;
  const sum = (of: "events" | "refused") => written.reduce((all, writer) => all + writer[of], 0);
  const peak = report(samples, seconds, sum("refused"));

  // Nothing was lost, and nothing is seen twice.
  equal(sum("events"), events);
  const [counted] = await line.clickhouse.rows<{ events: string }>(
    `SELECT count() AS events FROM ${EVENTS}`,
  );
  equal(counted?.events, String(events));
  equal(await line.verify(), sameEverywhere);

  // The writers whose statements were under way when the log was found full.
  const underWay = BULK_TABLES.length * statementRows * logRowBytesMax;
  ok(peak.log <= some.changeLogBytesMax + underWay + digestBytesMax, `${peak.log} bytes of log`);
  ok(peak.nats <= storeBytesMax(line.limits), `${peak.nats} bytes of nats-server's files`);
  const last = samples.disk.at(-1)!;
  for (const stream of [last.events, last.batches]) {
    ok(stream.firstSequence > stream.lastSequence / 2, `${stream.firstSequence} is the first left`);
  }
  const [row] = await line.connection.query("select sum(event_count) from fraiseql.change_digest");
  ok(Number(row?.[0]) > events / 2, `${row?.[0]} events have left the change log`);

  const empty = await emptyProgram();
  for (const worker of LINE_WORKERS) {
    const before = samples.memoryBetween(worker, early / 2, early * 1.5) - empty;
    const after = samples.memoryBetween(worker, events - early, events) - empty;
    ok(after <= before * growthMax, `${worker}: ${mib(before)} MiB early, ${mib(after)} later`);
  }
});

const memoryLooks = 10;
const saidEvery = 5;
/** More than the longest, an update, has with its index. */
const logRowBytesMax = 1000;
/** What the log keeps of what has left it, and the other small tables of its schema. */
const digestBytesMax = 8 * MiB;
/** Few events leave a worker on its way to what it keeps; then only a leak of all it has met is seen. */
const growthMax = events >= manyEvents ? 1.2 : 1.5;

const sameEverywhere = `${events} events in the change log, ${events} in NATS: the same\n` +
  `${events} events of the last 90 days, ${events} in ClickHouse: the same\n`;

const mib = (bytes: number) => Math.round(bytes / MiB);

function say(samples: Samples, sample: DiskSample, beganMs: number): void {
  const held = samples.memory.at(-1)?.bytes;
  const memory = LINE_WORKERS.map((worker) => `${worker} ${mib(held?.[worker] ?? 0)}`).join(", ");
  note(
    `${
      Math.round((performance.now() - beganMs) / 1000)
    } s: ${samples.stored} of ${events} events; ` +
      `MiB: ${memory}; log ${mib(sample.logBytes)}, events ${mib(sample.events.bytes)}, ` +
      `batches ${mib(sample.batches.bytes)}, nats-server's files ${mib(sample.natsBytes)}`,
  );
}

/** The figures that docs/performance.md has. */
function report(samples: Samples, seconds: number, refused: number) {
  const peak = {
    log: samples.peak(({ logBytes }) => logBytes),
    events: samples.peak((sample) => sample.events.bytes),
    eventMessages: samples.peak((sample) => sample.events.messages),
    batches: samples.peak((sample) => sample.batches.bytes),
    batchMessages: samples.peak((sample) => sample.batches.messages),
    nats: samples.peak(({ natsBytes }) => natsBytes),
  };
  note(
    `${events} events in ${Math.round(seconds)} s, ${Math.round(events / seconds)} a second; ` +
      `${refused} statements were refused by a full log; at most ${mib(peak.log)} MiB of log, ` +
      `${mib(peak.events)} MiB in ${peak.eventMessages} messages of events, ` +
      `${mib(peak.batches)} MiB in ${peak.batchMessages} batches, ` +
      `${mib(peak.nats)} MiB of nats-server's files`,
  );
  for (const worker of LINE_WORKERS) {
    const [before, after] = [
      samples.memoryBetween(worker, early / 2, early * 1.5),
      samples.memoryBetween(worker, events - early, events),
    ];
    note(
      `${worker}: ${mib(before)} MiB at ${early} events, ${mib(after)} at ${events}, ` +
        `${mib(samples.memoryPeak(worker))} at the most`,
    );
  }
  return peak;
}
