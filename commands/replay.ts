/** `fraiseql replay`: what a sink's store lost, from the streams once more. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { STREAM } from "../lib/events/names.ts";
import { checkStream } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import { replayClickhouse, type Replayed } from "../sinks/clickhouse_replay.ts";
import { openNats, readMoment } from "./nats.ts";
import { answer, progress, say } from "./say.ts";
import { sinkClickhouseOf } from "./sink_clickhouse.ts";

export interface ReplayFlags {
  readonly from?: string;
  readonly to?: string;
  readonly sink?: string;
  readonly entity?: string;
  readonly dryRun?: boolean;
}

/** Adds the events of that time that are not there; says how many. */
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
    const isDry = flags.dryRun === true;
    const done = await replayClickhouse({
      nats,
      clickhouse,
      retentionDays,
      from,
      to,
      entityType: flags.entity ?? null,
      isDry,
      limits,
      onProgress: progress("replay", "batches"),
      signal,
    });
    const { found, missing } = done;
    answer(`${found} events of that time in ${STREAM.batches}, ${missing} not in ClickHouse`);
    answer(isDry ? "\n" : `, ${missing} added\n`);
    for (const line of notesOf(done, from, retentionDays)) say(line);
    return 0;
  } finally {
    await nats.close();
  }
}

/** What the numbers do not tell. */
function notesOf(
  { heldSince, coming, unreadable }: Replayed,
  from: Date,
  retentionDays: number,
): string[] {
  const notes: string[] = [];
  if (heldSince === null) notes.push(`${STREAM.batches} holds no batches: nothing can come back`);
  else if (from < heldSince) {
    notes.push(
      `${STREAM.batches} reaches back to what was published at ${heldSince.toISOString()}: ` +
        "what was published before that cannot come back from it",
    );
  }
  if (from.getTime() < Date.now() - retentionDays * 86_400_000) {
    notes.push(`events older than ${retentionDays} days were left out: ClickHouse keeps none`);
  }
  if (coming > 0) {
    notes.push(`the sink has ${coming} more batches before it and stores them itself`);
  }
  if (unreadable > 0) notes.push(`${unreadable} messages are no batches: see fraiseql dead list`);
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
