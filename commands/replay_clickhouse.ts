/** `fraiseql replay --sink clickhouse`: from the streams, and behind them from the change log. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { STREAM } from "../lib/events/names.ts";
import { checkStream } from "../lib/events/streams.ts";
import type { Added } from "../sinks/absent_events.ts";
import { replayClickhouse, type Replayed } from "../sinks/clickhouse_replay.ts";
import type { ReplayAsked } from "./replay.ts";
import { replayLog } from "./replay_log.ts";
import { answer, progress, say } from "./say.ts";
import { sinkClickhouseOf } from "./sink_clickhouse.ts";

/** Adds what is not there; throws `NOT_FOUND` where some of it is nowhere any more. */
export async function replayToClickhouse(config: Config, asked: ReplayAsked): Promise<void> {
  const clickhouse = await sinkClickhouseOf(config);
  if (clickhouse === null) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded ClickHouse that runs`, {
      hint: "start serve, or set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server",
    });
  }
  const { nats, from, isDry } = asked;
  const { limits, eventRetentionDays: retentionDays } = config;
  await checkStream(nats, STREAM.batches);
  await checkStream(nats, STREAM.events);
  const told = new Map<string, ReturnType<typeof progress>>();
  const options = { ...asked, clickhouse, retentionDays, limits };
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
  if (reachesBack(done, from)) return;
  const { added, lost } = await replayLog(config, options, done);
  if (added !== null) tell(added, "the change log", isDry);
  if (lost !== null) throw lost;
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
