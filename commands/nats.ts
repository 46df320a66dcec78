/** The NATS that a command works on: the one named, or the embedded one of the data folder. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { type NatsSettings, readNatsUrl } from "../lib/events/nats_url.ts";
import { toUtcTimestamp } from "../lib/events/timestamp.ts";
import type { NatsUser } from "../lib/events/users.ts";
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
  const settings = await natsSettings(config, "nats");
  return await connectNats({ settings, onWait: say, ...options });
}

/** How to reach it; the embedded one by the user that is named. */
export async function natsSettings(
  { natsUrl, dataDir }: Config,
  user: "nats" | `nats.${NatsUser}`,
): Promise<NatsSettings> {
  const url = natsUrl ?? (await readServices(dataDir))[user];
  if (url !== undefined) return readNatsUrl(url);
  throw noEmbedded(dataDir, "NATS");
}

/** Neither is a server named, nor does the data folder have one. */
export function noEmbedded(dataDir: string, name: string): AppError {
  return new AppError("NOT_FOUND", `${dataDir} has no embedded ${name}`, {
    hint: `set FRAISEQL_${name.toUpperCase()}_URL to a ${name} server; FRAISEQL_DATA_DIR names ` +
      "another data folder",
  });
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
