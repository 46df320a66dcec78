/** `fraiseql replay`: what a sink's store lost, from where it is still held once more. */

import { type Config, type SinkName, SINKS } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { createLog } from "../lib/log.ts";
import { openNats, readMoment } from "./nats.ts";
import { replayToClickhouse } from "./replay_clickhouse.ts";
import { replayToSearch } from "./replay_search.ts";

export interface ReplayFlags {
  readonly from?: string;
  readonly to?: string;
  readonly sink?: string;
  readonly entity?: string;
  readonly dryRun?: boolean;
}

/** What is asked for; the end itself is not part of it. */
export interface ReplayAsked {
  readonly nats: Nats;
  readonly from: Date;
  readonly to: Date;
  readonly entityType: string | null;
  readonly isDry: boolean;
  readonly signal: AbortSignal;
}

const WAYS: Readonly<Record<SinkName, (config: Config, asked: ReplayAsked) => Promise<void>>> = {
  clickhouse: replayToClickhouse,
  elasticsearch: replayToSearch,
};

/**
 * Adds the events of that time that are not there; says how many. Throws `NOT_FOUND` where some of
 * them are nowhere any more.
 */
export async function replay(
  config: Config,
  flags: ReplayFlags,
  signal: AbortSignal,
): Promise<number> {
  const { sink, ...asked } = readFlags(flags);
  const log = createLog("error");
  const nats = await openNats(config, { name: "fraiseql replay", log, signal, wait: false });
  try {
    await WAYS[sink](config, { ...asked, nats, signal });
    return 0;
  } finally {
    await nats.close();
  }
}

function readFlags({ from, to, sink, entity, dryRun }: ReplayFlags) {
  const known = SINKS.find((name) => name === sink);
  if (known === undefined) {
    const seen = sink === undefined ? "is missing" : `is ${JSON.stringify(sink)}`;
    throw new AppError("BAD_INPUT", `--sink ${seen}`, { hint: `known: ${SINKS.join(", ")}` });
  }
  if (from === undefined || to === undefined) {
    throw new AppError("BAD_INPUT", "replay needs --from and --to", {
      hint: "--from 2026-01-31 --to 2026-02-01T12:00:00Z; --to itself is not part of it",
    });
  }
  const first = readMoment("--from", from);
  const end = readMoment("--to", to);
  if (first >= end) throw new AppError("BAD_INPUT", `--from ${from} is not before --to ${to}`);
  const entityType = entity ?? null;
  return { sink: known, from: first, to: end, entityType, isDry: dryRun === true };
}
