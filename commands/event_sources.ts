/**
 * Where the Flight process reads events: ClickHouse and NATS, those that are named or the embedded
 * ones of the data folder. Looked for when they are asked for, since embedded ones may start later.
 */

import { connectClickhouse } from "../lib/clickhouse/client.ts";
import { highestPosition, readHistory } from "../lib/clickhouse/event_history.ts";
import type { Config } from "../lib/config.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { AppError } from "../lib/errors.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { liveBatches } from "../lib/events/live_batches.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import type { Log } from "../lib/log.ts";
import type { EventSources } from "../flight/event_stream.ts";
import { clickhouseSettings } from "./clickhouse.ts";

export interface OpenSources extends EventSources {
  close(): Promise<void>;
}

type Named = Pick<
  Config,
  | "clickhouseUrl"
  | "clickhouseUser"
  | "clickhousePassword"
  | "clickhouseDatabase"
  | "natsUrl"
  | "dataDir"
  | "limits"
>;

/** Connects when it is first asked, and stays connected. */
export function openEventSources(config: Named, log: Log): OpenSources {
  const { limits } = config;
  const closing = new AbortController();
  let connection: { readonly url: string; readonly nats: Promise<Nats> } | null = null;

  const connect = (url: string): Promise<Nats> => {
    if (connection?.url === url) return connection.nats;
    // An embedded server that was started anew may have another port.
    void connection?.nats.then((nats) => nats.close(), () => {}); // it never came to be
    const nats = connectNats({
      settings: readNatsUrl(url),
      name: "fraiseql flight",
      log,
      signal: closing.signal,
    });
    const opened = connection = { url, nats };
    nats.catch(() => { // whoever waits for it is told
      if (connection === opened) connection = null;
    });
    return nats;
  };
  const natsUrl = async () => {
    if (config.natsUrl !== null) return config.natsUrl;
    const services = await readServices(config.dataDir);
    return services["nats.reader"] ?? services.nats ?? null;
  };

  return {
    async history() {
      const url = config.clickhouseUrl ?? (await readServices(config.dataDir)).clickhouse;
      if (url === undefined) {
        throw new AppError("UNAVAILABLE", "there is no ClickHouse to read events from", {
          hint: "set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server that holds events",
        });
      }
      const clickhouse = connectClickhouse(
        clickhouseSettings(config, url),
        limits,
      );
      return {
        read: (range) => readHistory({ clickhouse, limits }, range),
        highest: (signal) => highestPosition(clickhouse, signal),
      };
    },
    async hasLive() {
      return await natsUrl() !== null;
    },
    async live() {
      const url = await natsUrl();
      if (url === null) {
        throw new AppError("UNSUPPORTED", "there is no NATS to follow events in", {
          hint: 'set FRAISEQL_NATS_URL, or read without "follow"',
        });
      }
      const max = { messages: followMessagesMax, bytes: limits.pullBytesMax };
      return liveBatches(() => connect(url), max);
    },
    async close() {
      closing.abort();
      const nats = await connection?.nats.catch(() => null); // it never came to be
      await nats?.close();
    },
  };
}

/** Held in memory for each follower; a batch has up to 10,000 events. */
const followMessagesMax = 4;
