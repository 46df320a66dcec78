/** Lets go of whole months whose time is over, for as long as a sink works. */

import { AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { SearchIndex } from "../lib/search/store.ts";
import { pause } from "../lib/waiting.ts";

/** Sweeps at once and then every hour, until the signal is aborted. */
export async function sweepHourly(
  index: Pick<SearchIndex, "sweep">,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const months = await index.sweep(new Date(), signal);
      if (months.length > 0) log.info("removed months of events whose time is over", { months });
    } catch (error) {
      if (signal.aborted) return;
      // A right that is missing, or a store that is away, must not stop the events.
      if (!(error instanceof AppError)) throw error;
      log.warn("old months of events were not removed", { error });
    }
    await pause(sweepEveryMs, signal);
  }
}

const sweepEveryMs = 3_600_000;
