/** The NATS that a command works on: the one named, or the embedded one of the data folder. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { toUtcTimestamp } from "../lib/events/timestamp.ts";
import type { Log } from "../lib/log.ts";
import { say } from "./say.ts";

export interface OpenNatsOptions {
  readonly name: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** False: a server that is down is told at once. */
  readonly wait: boolean;
}

/** Connects to it. */
export async function openNats(config: Config, options: OpenNatsOptions): Promise<Nats> {
  const url = config.natsUrl ?? (await readServices(config.dataDir)).nats;
  if (url === undefined) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded NATS`, {
      hint: "set FRAISEQL_NATS_URL to a NATS server; FRAISEQL_DATA_DIR names another data folder",
    });
  }
  return await connectNats({ settings: readNatsUrl(url), onWait: say, ...options });
}

/** A moment that a person names: a date, or RFC 3339. */
export function readMoment(flag: string, text: string): Date {
  const whole = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  const utc = toUtcTimestamp(whole);
  if (utc !== null) return new Date(utc);
  throw new AppError("BAD_INPUT", `${flag} is no moment: ${JSON.stringify(text)}`, {
    hint: "a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z",
  });
}

/** A whole number that a person names. */
export function readCount(flag: string, text: string, max: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= max) return number;
  throw new AppError("BAD_INPUT", `${flag} must be a whole number from 1 to ${max} (is ${text})`);
}
