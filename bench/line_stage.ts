/** NATS and ClickHouse of their own, and the bridge and the sink between them as processes. */

import { type Clickhouse, connectClickhouse } from "../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import { startClickhouse } from "../lib/embedded/clickhouse.ts";
import { type EmbeddedNats, startNats } from "../lib/embedded/nats.ts";
import { lastCheckpoint, publishPage } from "../lib/events/atomic_publish.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../lib/events/names.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { migrateNats, storeBytesMax } from "../lib/events/streams.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { childrenOf, commandOf, cpuSeconds, type Running, startProgram } from "./processes.ts";
import { delay } from "./publisher_stage.ts";
import { shopEvents } from "./shop_events.ts";
import { note, taskArguments } from "./stage.ts";

/** CPU seconds of the four programs. */
export interface LineCpu {
  readonly bridge: number;
  readonly sink: number;
  readonly nats: number;
  readonly clickhouse: number;
}

/** The two workers; `pid`s of them. */
export interface Workers {
  readonly bridge: number;
  readonly sink: number;
  stop(): Promise<void>;
}

export class LineStage {
  private constructor(
    readonly server: EmbeddedNats,
    readonly nats: Nats,
    readonly clickhouse: Clickhouse,
    readonly clickhouseUrl: string,
    private readonly clickhousePid: number,
    readonly stop: () => Promise<void>,
  ) {}

  static async open(): Promise<LineStage> {
    const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
    const log = createLog("warn");
    const server = await startNats({
      dataDir,
      log,
      storeBytesMax: storeBytesMax(limits()),
      messageBytesMax: limits().natsMessageBytesMax,
      onProgress: note,
    });
    const nats = await connectNats({ settings: readNatsUrl(server.url), name: "bench", log });
    const engine = await startClickhouse({ dataDir, log, limits: limits(), onProgress: note });
    const clickhouse = connectClickhouse(readClickhouseUrl(engine.url), limits());
    await migrateClickhouse(clickhouse, { retentionDays: 90 });
    await migrateNats(nats, limits());
    return new LineStage(server, nats, clickhouse, engine.url, engine.pid, async () => {
      await nats.close();
      await engine.stop();
      await server.stop();
      await Deno.remove(dataDir, { recursive: true });
    });
  }

  /** Fills FRAISEQL_EVENTS with pages of 4 MiB, messages of 256 KiB, as the publisher makes them. */
  async fill(events: number): Promise<void> {
    const encoder = new TextEncoder();
    for (let from = 0; from < events; from += pageEvents) {
      const lines = shopEvents(from, Math.min(pageEvents, events - from));
      const messages: Uint8Array[] = [];
      for (let at = 0; at < lines.length; at += messageEvents) {
        messages.push(encoder.encode(lines.slice(at, at + messageEvents).join("\n") + "\n"));
      }
      const published = await publishPage(this.nats, {
        messages: messages.map((data) => ({
          subject: SUBJECT.event("Order"),
          data,
          headers: { [HEADER.contentType]: CONTENT_TYPE.lines },
        })),
        checkpoint: encoder.encode(JSON.stringify({ epoch: 1, done: true })),
        expected: (await lastCheckpoint(this.nats))?.sequence ?? 0,
      });
      if (published.kind !== "published") throw new Error(`a page was ${published.kind}`);
    }
  }

  /** As if nothing had ever been bridged or stored. FRAISEQL_BATCHES is not there until `go`. */
  async empty(): Promise<void> {
    for (const stream of [STREAM.batches, STREAM.progress, STREAM.replay]) {
      await this.nats.manager.streams.delete(stream).catch(() => {}); // the last round's, or none
    }
    await migrateNats(this.nats, limits());
    await this.nats.manager.streams.delete(STREAM.batches);
    await this.emptyClickhouse();
  }

  async emptyClickhouse(): Promise<void> {
    await this.clickhouse.command(`TRUNCATE TABLE ${EVENTS_DATA} SYNC`);
  }

  /**
   * The bridge and the sink as their tasks run them, on streams without FRAISEQL_BATCHES, for which
   * they wait: so what is measured is neither the start of Deno nor the loading of modules.
   */
  async startWaiting(): Promise<Workers> {
    const known = new Set(childrenOf(Deno.pid));
    const starting = [
      this.#start("bridge", { FRAISEQL_NATS_URL: this.server.urls.bridge }),
      this.#start("sink:clickhouse", {
        FRAISEQL_NATS_URL: this.server.urls.clickhouse,
        FRAISEQL_CLICKHOUSE_URL: this.clickhouseUrl,
      }),
    ];
    for (const one of starting) one.catch(() => {}); // `stop` tells
    for (const worker of ["bridge", "clickhouse"]) await this.#untilReading(worker, starting);
    const pids = childrenOf(Deno.pid).filter((pid) => !known.has(pid));
    const pidOf = (command: RegExp) => {
      const pid = pids.find((pid) => command.test(commandOf(pid)));
      if (pid === undefined) throw new Error(`no process ${command}`);
      return pid;
    };
    return {
      bridge: pidOf(/main\.ts bridge/),
      sink: pidOf(/main\.ts sink/),
      stop: async () => {
        for (const one of starting) await (await one).stop();
      },
    };
  }

  /** The missing stream, which sets both to work; gives the moment. */
  async go(): Promise<number> {
    await migrateNats(this.nats, limits());
    return performance.now();
  }

  /** Waits until so many rows can be seen; gives the moment. Counting them reads no row. */
  async untilVisible(rows: number): Promise<number> {
    for (;;) {
      const [found] = await this.clickhouse.rows<{ rows: string }>(
        `SELECT count() AS rows FROM ${EVENTS_DATA}`,
      );
      if (Number(found?.rows) >= rows) return performance.now();
      await delay(50);
    }
  }

  cpu({ bridge, sink }: Pick<Workers, "bridge" | "sink">): LineCpu {
    return {
      bridge: cpuSeconds(bridge),
      sink: cpuSeconds(sink),
      nats: cpuSeconds(this.server.pid),
      clickhouse: this.clickhouseCpu(),
    };
  }

  clickhouseCpu(): number {
    return cpuSeconds(this.clickhousePid);
  }

  #start(task: "bridge" | "sink:clickhouse", env: Record<string, string>): Promise<Running> {
    return startProgram(Deno.execPath(), {
      args: taskArguments(task),
      // Waits between two tries are short, so that both begin at once.
      env: { ...env, FRAISEQL_LIMITS_RETRY_WAIT_MS_MAX: "100" },
      find: (line) => /"event":"(bridging|storing)"/.test(line) ? line : null,
    });
  }

  /** Each has a consumer for what is replayed to it, made when it begins to read. */
  async #untilReading(worker: string, starting: readonly Promise<Running>[]): Promise<void> {
    const isThere = () =>
      this.nats.manager.consumers.info(STREAM.replay, worker).then(() => true, () => false);
    while (!await isThere()) {
      await Promise.race([delay(20), ...starting]); // one that ends says why
    }
  }
}

const messageEvents = Math.floor(256 * 1024 / 423);
const pageEvents = 16 * messageEvents;
