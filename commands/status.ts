/** `fraiseql status`: how far each stage of the event path is. */

import type { Config } from "../lib/config.ts";
import { holderText, placeText } from "../lib/events/holder.ts";
import { recordSilenceMs } from "../lib/events/recorded_feed.ts";
import { createLog } from "../lib/log.ts";
import { countMax, type IngestLag, type PublisherLag, publisherLag } from "../lib/observer/lag.ts";
import { openRegistry } from "../lib/postgres/change_log/migrate.ts";
import { pause } from "../lib/waiting.ts";
import { type BridgeLag, bridgeLag } from "../sinks/bridge_lag.ts";
import { standByMs as bridgeSilenceMs } from "../sinks/bridge_progress.ts";
import { type ClickhouseLag, clickhouseLag } from "../sinks/clickhouse_lag.ts";
import { type ElasticsearchLag, elasticsearchLag } from "../sinks/elasticsearch_lag.ts";
import { withConnection } from "./migrate.ts";
import { openNats } from "./nats.ts";
import { answer } from "./say.ts";

export interface StatusFlags {
  readonly watch?: boolean;
}

/** Prints a line for each stage; again every two seconds with `--watch`, until it is stopped. */
export function status(config: Config, flags: StatusFlags, signal: AbortSignal): Promise<number> {
  return withConnection(config, signal, async (connection) => {
    await openRegistry(connection);
    const log = createLog("error");
    const nats = await openNats(config, { name: "fraiseql status", log, signal, wait: false });
    try {
      let before = await publisherLag(connection, nats);
      let bridgeBefore = await bridgeLag(nats);
      let beforeMs = performance.now();
      for (;;) {
        // A rate needs two looks.
        await pause(flags.watch ? watchMs : rateMs, signal);
        const now = await publisherLag(connection, nats);
        const nowMs = performance.now();
        answer(statusText(now, rateOf(before, now, nowMs - beforeMs)));
        const bridge = await bridgeLag(nats);
        if (bridge) answer(bridgeText(bridge, bridgeBefore, nowMs - beforeMs));
        const clickhouse = await clickhouseLag(nats);
        if (clickhouse) answer(clickhouseText(clickhouse));
        const elasticsearch = await elasticsearchLag(nats);
        if (elasticsearch) answer(elasticsearchText(elasticsearch));
        [before, bridgeBefore, beforeMs] = [now, bridge, nowMs];
        if (!flags.watch || signal.aborted) return 0;
      }
    } finally {
      await nats.close();
    }
  });
}

const watchMs = 2000;
const rateMs = 1000;

/** By positions, which are the events' but for those of transactions that were rolled back. */
function rateOf(before: PublisherLag, now: PublisherLag, ms: number): number {
  return Math.max(0, Math.round(Number(now.position - before.position) * 1000 / ms));
}

function statusText(lag: PublisherLag, rate: number): string {
  const { sequence, epoch, position, events, seconds, lastError, logBytes, logBytesMax } = lag;
  const place = lag.isHeld ? `held by ${holderText(lag.holder)}` : "nobody publishes";
  const MiB = 1024 * 1024;
  const behind = `${events >= countMax ? "at least " : ""}${events} events`;
  const lines = [
    `change log  ${Math.ceil(logBytes / MiB)} MiB of ${Math.floor(logBytesMax / MiB)} MiB`,
    `publisher   position ${position}, stream sequence ${sequence}, epoch ${epoch}, behind by ` +
    `${behind} and ${seconds.toFixed(1)} s, ${rate} events/s, ${place}` +
    `${lastError === null ? "" : `, last error: ${lastError}`}`,
    ...lag.ingest === null ? [] : [ingestText(lag.ingest)],
  ];
  return lines.join("\n") + "\n";
}

function ingestText({ taken, repeated, refused, backlog, waitsFor }: IngestLag): string {
  return `ingest      ${taken} events taken, ${repeated} repeats dropped, ${refused} parked, ` +
    `${backlog} messages in FRAISEQL_INGEST${waitsFor === null ? "" : `, waits: ${waitsFor}`}`;
}

function bridgeText(lag: BridgeLag, before: BridgeLag | null, ms: number): string {
  const { batchSequence, epoch, sequence, messages, seconds, events, lastError, place } = lag;
  const rate = before ? Math.max(0, Math.round((events - before.events) * 1000 / ms)) : 0;
  return `bridge      batch ${batchSequence}, reads stream sequence ${sequence}, epoch ${epoch}, ` +
    `behind by ${messages} messages and ${seconds.toFixed(1)} s, ${rate} events/s, ` +
    `${placeText(place, bridgeSilenceMs)}` +
    `${lastError === null ? "" : `, last error: ${lastError}`}\n`;
}

/** A sink writes no record while there is nothing to store, so its silence tells nothing then. */
function clickhouseText({ sequence, batches, seconds, place }: ClickhouseLag): string {
  const silenceMsMax = batches === 0 ? Infinity : recordSilenceMs;
  return `clickhouse  stored up to batch ${sequence}, behind by ${batches} batches and ` +
    `${seconds.toFixed(1)} s, ${placeText(place, silenceMsMax)}\n`;
}

function elasticsearchText({ sequence, messages, seconds }: ElasticsearchLag): string {
  return `search      stored up to stream sequence ${sequence}, behind by ${messages} messages and ` +
    `${seconds.toFixed(1)} s\n`;
}
