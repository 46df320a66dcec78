/** `fraiseql replay`: what a sink's store lost, from the streams and the change log once more. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { STREAM } from "../lib/events/names.ts";
import { checkStream } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import type { Added } from "../sinks/absent_events.ts";
import { replayClickhouse, type Replayed } from "../sinks/clickhouse_replay.ts";
import { openNats, readMoment } from "./nats.ts";
import { replayLog } from "./replay_log.ts";
import { answer, progress, say } from "./say.ts";
import { sinkClickhouseOf } from "./sink_clickhouse.ts";

export interface ReplayFlags {
  readonly from?: string;
  readonly to?: string;
  readonly sink?: string;
  readonly entity?: string;
  readonly dryRun?: boolean;
}

/**
 * Adds the events of that time that are not there; says how many. Throws `NOT_FOUND` where some of
 * them are nowhere any more.
 */
export async function replay(
  config: Config,
  flags: ReplayFlags,
  signal: AbortSignal,
): Promise<number> {
  const { from, to } = readFlags(flags);
  const clickhouse = await sinkClickhouseOf(config);
  if (clickhouse === null) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded ClickHouse that runs`, {
      hint: "start serve, or set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server",
    });
  }
  const { limits, eventRetentionDays: retentionDays } = config;
  const log = createLog("error");
  const nats = await openNats(config, { name: "fraiseql replay", log, signal, wait: false });
  try {
    await checkStream(nats, STREAM.batches);
    await checkStream(nats, STREAM.events);
    const isDry = flags.dryRun === true;
    const told = new Map<string, ReturnType<typeof progress>>();
    const options = {
      nats,
      clickhouse,
      retentionDays,
      from,
      to,
      entityType: flags.entity ?? null,
      isDry,
      limits,
      signal,
    };
    const done = await replayClickhouse({
      ...options,
      onProgress(stream, done, total) {
        const tell = told.get(stream) ?? progress(`replay of ${stream}`, "messages");
        told.set(stream, tell);
        tell(done, total);
      },
    });
    tell(done.batches, STREAM.batches, isDry);
    if (done.events.found > 0) tell(done.events, STREAM.events, isDry);
    for (const line of notesOf(done, from, retentionDays)) say(line);
    if (reachesBack(done, from)) return 0;
    const { added, lost } = await replayLog(config, options, done);
    if (added !== null) tell(added, "the change log", isDry);
    if (lost !== null) throw lost;
    return 0;
  } finally {
    await nats.close();
  }
}

function tell({ found, missing }: Added, place: string, isDry: boolean): void {
  const added = isDry ? "" : `, ${missing} added`;
  answer(`${found} events of that time in ${place}, ${missing} not in ClickHouse${added}\n`);
}

/** Whether the streams hold all events of that time; clocks may differ by less than an hour. */
function reachesBack({ heldSince }: Replayed, from: Date): boolean {
  return heldSince !== null && from.getTime() - hourMs >= heldSince.getTime();
}

const hourMs = 3_600_000;

/** What the numbers do not tell. */
function notesOf(
  { coming, unreadable }: Replayed,
  from: Date,
  retentionDays: number,
): string[] {
  const notes: string[] = [];
  if (from.getTime() < Date.now() - retentionDays * 86_400_000) {
    notes.push(`events older than ${retentionDays} days were left out: ClickHouse keeps none`);
  }
  if (coming > 0) {
    notes.push(`the sink has ${coming} more batches before it and stores them itself`);
  }
  if (unreadable > 0) notes.push(`${unreadable} are no events: see fraiseql dead list`);
  return notes;
}

function readFlags(flags: ReplayFlags): { readonly from: Date; readonly to: Date } {
  const { from, to, sink } = flags;
  if (sink !== "clickhouse") {
    const seen = sink === undefined ? "is missing" : `is ${JSON.stringify(sink)}`;
    throw new AppError("BAD_INPUT", `--sink ${seen}`, { hint: "known: clickhouse" });
  }
  if (from === undefined || to === undefined) {
    throw new AppError("BAD_INPUT", "replay needs --from and --to", {
      hint: "--from 2026-01-31 --to 2026-02-01T12:00:00Z; --to itself is not part of it",
    });
  }
  const first = readMoment("--from", from);
  const end = readMoment("--to", to);
  if (first < end) return { from: first, to: end };
  throw new AppError("BAD_INPUT", `--from ${from} is not before --to ${to}`);
}
