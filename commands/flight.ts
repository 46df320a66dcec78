/** `fraiseql flight`: the Flight transport as a process of its own, under `serve` or alone. */

import { runFlightProcess, tellStarved } from "../flight/process.ts";
import { serveFlight } from "../flight/server.ts";
import type { Config } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import { createMetrics } from "../lib/metrics.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import { engineOf, findDatabase } from "./database.ts";
import { searchProviderOf } from "./event_search.ts";
import { openEventSources } from "./event_sources.ts";
import { untilThere } from "./wait.ts";

/** Serves until it is told to stop; gives the exit status. */
export async function flight(config: Config, signal: AbortSignal): Promise<number> {
  try {
    await serveUntilStopped(config, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return 0;
}

async function serveUntilStopped(config: Config, signal: AbortSignal): Promise<void> {
  const log = createLog(config.logLevel);
  const metrics = createMetrics();
  const { limits, unrepresentable } = config;
  const found = await findDatabase(config, log, signal);
  const { url } = found;
  const events = openEventSources(config, log);
  const search = searchProviderOf(config);
  try {
    const database = await untilThere(
      url,
      log,
      signal,
      () =>
        openDatabase({
          url,
          limits,
          log,
          metrics,
          signal,
          applicationName: "fraiseql flight",
          poolSize: "flightPoolConnectionsMax",
          onStarved: tellStarved,
        }),
    );
    try {
      let tellParent = () => Promise.resolve();
      const onChanged = () => {
        tellParent().catch((error) => log.warn("http has not read the catalog again", { error }));
      };
      const engine = await untilThere(
        url,
        log,
        signal,
        () => engineOf(config, database, log, { metrics, search, onChanged }),
      );
      if (signal.aborted) return; // from here on the process listens to signals itself
      await runFlightProcess({
        address: config.flightBindAddr,
        log,
        metrics,
        drainSeconds: limits.drainSecondsMax,
        refresh: () => engine.refresh(),
        giveBack: () => database.giveBack(),
        serve: (address, refreshed) => {
          tellParent = refreshed;
          return serveFlight({
            engine,
            events,
            address,
            limits,
            log,
            metrics,
            unrepresentable,
            refresh: async () => {
              await engine.refresh().catch((error: unknown) => {
                // Who asked is told as well, but a schema file is not theirs to mend.
                log.error("schema not refreshed, the old one stays", { error });
                throw error;
              });
              await refreshed();
            },
          });
        },
      });
    } finally {
      await database.close();
    }
  } finally {
    await search?.store.close();
    await events.close();
    await found.close();
  }
}
