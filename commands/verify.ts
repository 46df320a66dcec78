/** `fraiseql verify`: whether NATS, ClickHouse and search hold exactly the events of the change log. */

import type { Config } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import type { Nats } from "../lib/events/connect.ts";
import type { Difference } from "../lib/events/event_sums.ts";
import { type Compared, compareLog } from "../lib/observer/verify.ts";
import { openRegistry } from "../lib/postgres/change_log/migrate.ts";
import { withConnection } from "./migrate.ts";
import { openNats, readMoment } from "./nats.ts";
import { answer, say } from "./say.ts";
import { verifyClickhouse } from "../sinks/clickhouse_verify.ts";
import { verifySearch } from "../sinks/elasticsearch_verify.ts";
import { openSearchIndex, searchStoreName } from "../sinks/search_place.ts";
import { searchSettings } from "./search.ts";
import { sinkClickhouseOf } from "./sink_clickhouse.ts";

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
      const compared = await compareLog({ connection, nats, limits, since, signal });
      const found = compared.verified;
      tell(found.differences, "in the change log", "in NATS");
      for (const { entityType, reason, beganAt, endedAt } of found.gaps) {
        const of = entityType === null ? "" : ` of ${entityType}`;
        answer(`writes${of} were not captured from ${beganAt} to ${endedAt ?? "now"}: ${reason}\n`);
      }
      const isWhole = found.differences.length === 0 && found.gaps.length === 0;
      answer(`${found.logged} events in the change log, ${found.stored} in NATS: `);
      answer(isWhole ? "the same\n" : "NOT the same\n");
      const isStored = await isInClickhouse(config, nats, compared, since, signal);
      const isSearched = await isInSearch(config, nats, compared, since, signal);
      return isWhole && isStored && isSearched ? 0 : 1;
    } finally {
      await nats.close();
    }
  });
}

/** True where no ClickHouse is to have them. */
async function isInClickhouse(
  config: Config,
  nats: Nats,
  { log, checkpoint }: Compared,
  since: Date | null,
  signal: AbortSignal,
): Promise<boolean> {
  if (!config.sinks.includes("clickhouse")) return true;
  const { limits, eventRetentionDays: retentionDays } = config;
  const clickhouse = await sinkClickhouseOf(config);
  if (clickhouse === null) {
    say("ClickHouse is not compared: the embedded one does not run");
    return true;
  }
  if (checkpoint === null) {
    say("ClickHouse is not compared: nothing was published yet");
    return true;
  }
  const { wanted, stored, differences } = await verifyClickhouse({
    nats,
    clickhouse,
    log,
    checkpoint: checkpoint.sequence,
    since,
    retentionDays,
    limits,
    onWait: () => say("waiting until ClickHouse has what is on its way"),
    signal,
  });
  tell(differences, "in the change log", "in ClickHouse");
  answer(`${wanted} events of the last ${retentionDays} days, ${stored} in ClickHouse: `);
  answer(differences.length === 0 ? "the same\n" : "NOT the same\n");
  return differences.length === 0;
}

/** True where no store of searched events is to have them. */
async function isInSearch(
  config: Config,
  nats: Nats,
  { log, checkpoint }: Compared,
  since: Date | null,
  signal: AbortSignal,
): Promise<boolean> {
  if (!config.sinks.includes("elasticsearch")) return true;
  const { limits, eventRetentionDays: retentionDays } = config;
  const settings = searchSettings(config);
  const name = searchStoreName(settings);
  if (checkpoint === null) {
    say(`${name} is not compared: nothing was published yet`);
    return true;
  }
  const index = openSearchIndex(settings, limits);
  try {
    const { wanted, stored, differences } = await verifySearch({
      nats,
      index,
      log,
      checkpoint: checkpoint.sequence,
      since,
      retentionDays,
      limits,
      onWait: () => say(`waiting until ${name} has what is on its way`),
      signal,
    });
    tell(differences, "in the change log", `in ${name}`);
    answer(`${wanted} events of the last ${retentionDays} days, ${stored} in ${name}: `);
    answer(differences.length === 0 ? "the same\n" : "NOT the same\n");
    return differences.length === 0;
  } finally {
    await index.close();
  }
}

function tell(differences: readonly Difference[], here: string, there: string): void {
  for (const { entityType, hour, logged, stored } of differences) {
    const same = logged === stored ? ", but not the same events" : "";
    answer(`${hour}:00Z ${entityType}: ${logged} ${here}, ${stored} ${there}${same}\n`);
  }
}
