/** Waiting for a database that is down, and saying so. */

import { setTimeout as delay } from "node:timers/promises";
import { abortError, AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { parseUrl, placeName } from "../lib/postgres/url.ts";
import { say } from "./say.ts";

/** The longest wait between two tries. */
const retryMsMax = 3000;

/** How many tries pass between two lines that say so. */
const sayEveryTries = 10;

/** Tries again while the database is `UNAVAILABLE`; any other refusal ends the start. */
export async function untilThere<Result>(
  url: string,
  log: Log,
  signal: AbortSignal,
  open: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 0;; tries++) {
    try {
      return await open();
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      if (!(error instanceof AppError) || error.code !== "UNAVAILABLE") throw error;
      if (tries % sayEveryTries === 0) {
        say(`waiting for ${placeName(parseUrl(url))}: ${error.message}`);
        if (error.hint) say(`hint: ${error.hint}`);
        log.warn("waiting for postgres", { reason: error.message });
      }
      await delay(Math.min(200 * 2 ** tries, retryMsMax), undefined, { signal });
    }
  }
}
