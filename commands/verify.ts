/** `fraiseql verify`: whether NATS holds exactly the events of the change log. */

import type { Config } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import { verify } from "../lib/observer/verify.ts";
import { openRegistry } from "../lib/postgres/change_log/migrate.ts";
import { withConnection } from "./migrate.ts";
import { openNats, readMoment } from "./nats.ts";
import { answer } from "./say.ts";

export interface VerifyFlags {
  readonly since?: string;
}

/** Prints where they differ; 1 where they do, or where writes were never captured. */
export function verifyEvents(
  config: Config,
  flags: VerifyFlags,
  signal: AbortSignal,
): Promise<number> {
  const since = flags.since === undefined ? null : readMoment("--since", flags.since);
  return withConnection(config, signal, async (connection) => {
    await openRegistry(connection);
    const log = createLog("error");
    const nats = await openNats(config, { name: "fraiseql verify", log, signal, wait: false });
    try {
      const { limits } = config;
      const found = await verify({ connection, nats, limits, since, signal });
      for (const { entityType, hour, logged, stored } of found.differences) {
        const same = logged === stored ? ", but not the same events" : "";
        answer(
          `${hour}:00Z ${entityType}: ${logged} in the change log, ${stored} in NATS${same}\n`,
        );
      }
      for (const { entityType, reason, beganAt, endedAt } of found.gaps) {
        const of = entityType === null ? "" : ` of ${entityType}`;
        answer(`writes${of} were not captured from ${beganAt} to ${endedAt ?? "now"}: ${reason}\n`);
      }
      const isWhole = found.differences.length === 0 && found.gaps.length === 0;
      answer(`${found.logged} events in the change log, ${found.stored} in NATS: `);
      answer(isWhole ? "the same\n" : "NOT the same\n");
      return isWhole ? 0 : 1;
    } finally {
      await nats.close();
    }
  });
}
