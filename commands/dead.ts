/** `fraiseql dead`: what workers refused for good, and what shall become of it. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import {
  deadAt,
  type DeadFilter,
  discardDead,
  listDead,
  type ParkedDead,
  replayDead,
} from "../lib/events/dead.ts";
import { CONTENT_TYPE, STREAM, WORKERS } from "../lib/events/names.ts";
import { checkStream } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import type { DeadFlags } from "./dead_flags.ts";
import { openNats, readCount, readMoment } from "./nats.ts";
import { answer, say } from "./say.ts";

/** Prints what is parked, a line each, oldest first. */
export function listParked(config: Config, flags: DeadFlags, signal: AbortSignal): Promise<number> {
  const chosen = readFlags(config, flags);
  return withNats(config, signal, async (nats) => {
    let count = 0;
    for await (const dead of listDead(nats, chosen.filter, chosen.lookMax)) {
      if (signal.aborted) break;
      count++;
      answer(flags.json ? `${JSON.stringify(toJson(dead))}\n` : toLine(dead));
    }
    if (count === 0) say("nothing is parked that fits");
    return 0;
  });
}

/** Prints all that is known of one, its content last. */
export function showParked(config: Config, number: string, signal: AbortSignal): Promise<number> {
  const sequence = readCount("the number", number, Number.MAX_SAFE_INTEGER);
  return withNats(config, signal, async (nats) => {
    const dead = await deadAt(nats, sequence);
    if (!dead) throw notParked(sequence);
    const { data, ...rest } = toJson(dead);
    for (const [name, value] of Object.entries(rest)) {
      answer(`${name.padEnd(12)} ${typeof value === "string" ? value : JSON.stringify(value)}\n`);
    }
    answer(`\n${data}\n`);
    return 0;
  });
}

/** Gives parked messages to their worker once more: those numbered, or all that the flags name. */
export function replayParked(
  config: Config,
  numbers: readonly string[],
  flags: DeadFlags,
  signal: AbortSignal,
): Promise<number> {
  return each(config, numbers, flags, signal, "replayed", replayDead);
}

/** Removes parked messages for good: those numbered, or all that the flags name. */
export function discardParked(
  config: Config,
  numbers: readonly string[],
  flags: DeadFlags,
  signal: AbortSignal,
): Promise<number> {
  const discard = (nats: Nats, { sequence }: ParkedDead) => discardDead(nats, sequence);
  return each(config, numbers, flags, signal, "discarded", discard);
}

async function each(
  config: Config,
  numbers: readonly string[],
  flags: DeadFlags,
  signal: AbortSignal,
  done: string,
  work: (nats: Nats, dead: ParkedDead) => Promise<void>,
): Promise<number> {
  const chosen = readFlags(config, flags);
  const isFiltered = Object.keys(chosen.filter).length > 0;
  const ways = [numbers.length > 0, isFiltered, flags.all === true].filter((way) => way).length;
  if (ways !== 1) {
    throw new AppError("BAD_INPUT", "which parked messages are meant?", {
      hint: "numbers from fraiseql dead list, or filters such as --worker, or --all; one of these",
    });
  }
  const sequences = numbers.map((text) => readCount("a number", text, Number.MAX_SAFE_INTEGER));
  return await withNats(config, signal, async (nats) => {
    let count = 0;
    try {
      for await (const dead of named(nats, sequences, chosen)) {
        if (signal.aborted) break;
        await work(nats, dead);
        count++;
      }
    } finally {
      say(`${count} ${done}`);
    }
    return 0;
  });
}

async function* named(
  nats: Nats,
  sequences: readonly number[],
  { filter, lookMax }: Chosen,
): AsyncGenerator<ParkedDead, void> {
  if (sequences.length === 0) return yield* listDead(nats, filter, lookMax);
  // All are looked for before the first is touched.
  const found: ParkedDead[] = [];
  for (const sequence of sequences) {
    const dead = await deadAt(nats, sequence);
    if (!dead) throw notParked(sequence);
    found.push(dead);
  }
  yield* found;
}

interface Chosen {
  readonly filter: DeadFilter;
  readonly lookMax: number;
}

function readFlags(config: Config, flags: DeadFlags): Chosen {
  const { worker, reason, entity, since, until, limit } = flags;
  if (worker !== undefined && !(WORKERS as readonly string[]).includes(worker)) {
    throw new AppError("BAD_INPUT", `there is no worker named ${JSON.stringify(worker)}`, {
      hint: `known: ${WORKERS.join(", ")}`,
    });
  }
  return {
    filter: {
      ...worker !== undefined && { worker },
      ...reason !== undefined && { reason },
      ...entity !== undefined && { entityType: entity },
      ...since !== undefined && { since: readMoment("--since", since) },
      ...until !== undefined && { until: readMoment("--until", until) },
    },
    lookMax: limit === undefined
      ? config.limits.deadListMax
      : readCount("--limit", limit, config.limits.deadListMax),
  };
}

async function withNats(
  config: Config,
  signal: AbortSignal,
  work: (nats: Nats) => Promise<number>,
): Promise<number> {
  const log = createLog("error");
  const nats = await openNats(config, { name: "fraiseql dead", log, signal, wait: false });
  try {
    await checkStream(nats, STREAM.dead);
    return await work(nats);
  } finally {
    await nats.close();
  }
}

function notParked(sequence: number): AppError {
  return new AppError("NOT_FOUND", `nothing is parked under the number ${sequence}`, {
    hint: "fraiseql dead list shows what is there",
  });
}

function toLine(dead: ParkedDead): string {
  const { sequence, time, worker, entityType, eventId, reason } = dead;
  return `${sequence}  ${time.toISOString()}  ${worker}  ${entityType ?? "-"}  ${
    eventId ?? "-"
  }  ` +
    `${reason}\n`;
}

function toJson(dead: ParkedDead) {
  const isText = dead.contentType !== CONTENT_TYPE.arrow;
  return {
    number: dead.sequence,
    time: dead.time.toISOString(),
    worker: dead.worker,
    reason: dead.reason,
    refusals: dead.refusals,
    entityType: dead.entityType,
    eventId: dead.eventId,
    subject: dead.origin.subject,
    sequence: dead.origin.sequence,
    index: dead.origin.index,
    contentType: dead.contentType,
    cutFromBytes: dead.cutFromBytes,
    data: isText ? new TextDecoder().decode(dead.data) : dead.data.toBase64(),
  };
}
