/** `fraiseql tail`: events as they come, a line each. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { eventLines, isEntityType } from "../lib/events/entity_event.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { type OrderedReader, readOrdered, type StartAt } from "../lib/events/ordered_reader.ts";
import { checkStream } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import { pause } from "../lib/waiting.ts";
import { openNats, readMoment } from "./nats.ts";
import { answerBytes, say } from "./say.ts";

export interface TailFlags {
  readonly entity?: string;
  readonly from?: string;
}

/** Prints events until the signal is aborted; waits while NATS is down and misses nothing. */
export async function tail(config: Config, flags: TailFlags, signal: AbortSignal): Promise<number> {
  const subject = flags.entity === undefined ? SUBJECT.allEvents : subjectOf(flags.entity);
  let from = readStart(flags.from);
  let nats: Nats | null = null;
  let reader: OrderedReader | null = null;
  let created: string | null = null;
  const max = { messages: config.limits.pullMessagesMax, bytes: config.limits.pullBytesMax };
  try {
    nats = await openNats(config, {
      name: "fraiseql tail",
      log: createLog("error"),
      signal,
      wait: true,
    });
    for (let failures = 0;;) {
      try {
        if (!reader) {
          const info = await checkStream(nats, STREAM.events);
          if (created !== null && created !== info.created) {
            say(`${STREAM.events} was made anew: from its first event`);
            from = 1;
          }
          created = info.created;
          // Else what comes while NATS is away would be missed.
          if (from === null) from = info.state.last_seq + 1;
          reader = await readOrdered({ nats, stream: STREAM.events, from, subjects: [subject] });
          if (failures > 0) say("NATS answers again");
          failures = 0;
        }
        for (const message of await reader.pull(max, signal)) {
          for (const line of eventLines(message.data)) answerBytes(line, newLine);
          from = message.sequence + 1;
        }
      } catch (error) {
        if (signal.aborted) return 0;
        if (!(error instanceof AppError) || !PASSING.includes(error.code)) throw error;
        reader?.close();
        reader = null;
        if (failures++ === 0) say(`waiting for NATS at ${nats.place}: ${error.message}`);
        await pause(Math.min(100 * 2 ** failures, retryMsMax), signal);
      }
    }
  } catch (error) {
    // Who read what we print has gone, as `head` does.
    if (signal.aborted || error instanceof Deno.errors.BrokenPipe) return 0;
    throw error;
  } finally {
    reader?.close();
    await nats?.close();
  }
}

const newLine = Uint8Array.of(0x0a);
const retryMsMax = 3000;
/** The stream is there as soon as `migrate` has made it. */
const PASSING: readonly string[] = ["UNAVAILABLE", "TIMEOUT", "NOT_FOUND"];

function subjectOf(entityType: string): string {
  if (isEntityType(entityType)) return SUBJECT.event(entityType);
  throw new AppError("BAD_INPUT", `--entity is no type's name: ${JSON.stringify(entityType)}`, {
    hint: "for example --entity Order",
  });
}

/** Null: from now on. */
function readStart(text: string | undefined): StartAt | null {
  if (text === undefined || text === "now") return null;
  if (text === "first") return 1;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  return readMoment("--from (first, now, a sequence or a moment)", text);
}
