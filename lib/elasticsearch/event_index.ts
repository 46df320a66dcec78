/** The side of Elasticsearch that stores events: for the sink, `migrate` and `verify`. */

import { abortError, AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { IndexedEvent, SearchIndex } from "../search/store.ts";
import { pause } from "../waiting.ts";
import { bulkBodies, type BulkBody, type BulkResult, type Item, sendBulk } from "./bulk.ts";
import { type ClientLimits, connectElasticsearch, type Elasticsearch } from "./client.ts";
import { mappingsOf, settingsOf } from "./documents.ts";
import { answerFault } from "./errors.ts";
import { migrateElasticsearch } from "./migrate.ts";
import { namesWith, startOfMonth } from "./names.ts";
import { readServer, type Server } from "./server.ts";
import { sumIndices } from "./sums.ts";
import { sweepIndices } from "./sweep.ts";
import type { ElasticsearchSettings } from "./url.ts";

export interface IndexOptions {
  readonly settings: ElasticsearchSettings;
  /** Names of the number columns. */
  readonly columns: readonly string[];
  readonly retentionDays: number;
  readonly limits: ClientLimits & BulkLimits;
}

type BulkLimits = Pick<Limits, "elasticsearchBulkBytesMax" | "elasticsearchRetryMsMax">;

/** Opens it; nothing is asked before the first call. */
export function openElasticsearchIndex(options: IndexOptions): SearchIndex {
  const { settings, limits } = options;
  const elasticsearch = connectElasticsearch(settings, limits);
  const writer = new Writer(elasticsearch, options);
  return {
    ensure: (signal) => writer.ensure(signal),
    write: (events, signal) => writer.write(events, signal),
    sums: (fromMicros, signal) => sumIndices(elasticsearch, fromMicros, signal),
    async sweep(now, signal) {
      const server = await writer.server(signal);
      return server.hasPolicies
        ? []
        : sweepIndices(elasticsearch, now, options.retentionDays, signal);
    },
    close() {
      elasticsearch.close();
      return Promise.resolve();
    },
  };
}

class Writer {
  #server: Server | null = null;
  /** Indices that are there, as far as we know. */
  readonly #there = new Set<string>();
  /** Lowered where something on the way takes no more. */
  #bodyBytesMax: number;
  /** Lower while Elasticsearch has no room. */
  #roomBytes: number;
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly elasticsearch: Elasticsearch,
    private readonly options: IndexOptions,
  ) {
    this.#bodyBytesMax = options.limits.elasticsearchBulkBytesMax;
    this.#roomBytes = this.#bodyBytesMax;
  }

  async ensure(signal: AbortSignal): Promise<void> {
    const { server } = await migrateElasticsearch(this.elasticsearch, this.options, signal);
    this.#server = server;
    this.#there.clear();
  }

  async server(signal: AbortSignal): Promise<Server> {
    return this.#server ??= await readServer(this.elasticsearch, signal);
  }

  async write(events: readonly IndexedEvent[], signal: AbortSignal) {
    const names = namesWith(this.elasticsearch.settings.prefix);
    let items: readonly Item[] = events.map((event, row) => ({
      row,
      event,
      index: names.index(event.timestamp),
    }));
    await this.#makeIndices(new Set(items.map(({ index }) => index)), signal);
    const refused: { row: number; reason: string }[] = [];
    const { elasticsearchRetryMsMax } = this.options.limits;
    let endMs = performance.now() + elasticsearchRetryMsMax;
    for (let tries = 1;; tries++) {
      const result = await this.#send(items, signal);
      refused.push(...result.refused);
      const [first] = result.again;
      if (!first) return refused.sort((a, b) => a.row - b.row);
      if (result.again.length < items.length) {
        // It takes some, so it will take all.
        endMs = performance.now() + elasticsearchRetryMsMax;
        tries = 1;
      } else if (performance.now() > endMs) {
        throw new AppError(
          "UNAVAILABLE",
          `Elasticsearch does not take ${result.again.length} events: ${first.reason}`,
          { hint: "see that its indices can be written to" },
        );
      }
      await pause(waitMs(tries), signal);
      if (signal.aborted) throw abortError(signal);
      items = result.again.map(({ item }) => item);
    }
  }

  /** Those of the months that are not there, with the moment that their age counts from. */
  async #makeIndices(indices: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const missing = [...indices].filter((index) => !this.#there.has(index));
    if (missing.length === 0) return;
    const server = await this.server(signal);
    const names = namesWith(this.elasticsearch.settings.prefix);
    for (const index of missing) {
      const [year = 0, month = 0] = index.slice(-"2026.01".length).split(".").map(Number);
      const settings = {
        ...settingsOf(names, server),
        ...server.hasPolicies && originOf(year, month),
      };
      const body = { settings, mappings: mappingsOf(server.kind, this.options) };
      try {
        await this.elasticsearch.json("PUT", `/${index}`, { body, signal });
      } catch (error) {
        if (answerFault(error).type !== "resource_already_exists_exception") throw error;
      }
      this.#there.add(index);
    }
  }

  /** Sends the items in as many bodies as they need, two at a time. */
  async #send(items: readonly Item[], signal: AbortSignal): Promise<BulkResult> {
    const { kind } = await this.server(signal);
    const results: BulkResult[] = [];
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const sent: Promise<void>[] = [];
    // A document is about twice its data, so that two bodies are on their way where one would do.
    const halfOfAll = items.reduce((units, { event }) => units + event.data.length, 0);
    const bytesMax = () => Math.min(this.#sizeMax(), Math.max(halfOfAll, bodyBytesMin));
    for (const body of bulkBodies(items, kind, bytesMax)) {
      await this.#turn();
      if (failed.signal.aborted) {
        this.#release();
        break;
      }
      const send = this.#sendBody(body, either)
        .then((some) => void results.push(...some), (error) => failed.abort(error))
        .finally(() => this.#release());
      sent.push(send);
    }
    await Promise.all(sent);
    if (signal.aborted) throw abortError(signal);
    if (failed.signal.aborted) throw failed.signal.reason;
    return {
      again: results.flatMap(({ again }) => again),
      refused: results.flatMap(({ refused }) => refused),
    };
  }

  /** A body that is too large is sent as two, down to single events, which then are refused. */
  async #sendBody(body: BulkBody, signal: AbortSignal): Promise<BulkResult[]> {
    try {
      const result = await sendBulk(this.elasticsearch, body, signal);
      this.#makeRoom(body, result.again.length === 0);
      return [result];
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // It has too much to do just now, and took nothing of the request.
      if (answerFault(error).status === 429) {
        this.#makeRoom(body, false);
        return [{
          again: body.items.map((item) => ({ item, reason: error.message })),
          refused: [],
        }];
      }
      if (error.code !== "TOO_LARGE") throw error;
      const [first] = body.items;
      if (first && body.items.length === 1) {
        const reason = `${error.message} (a body of ${body.bytes.length} bytes)`;
        return [{ again: [], refused: [{ row: first.row, reason }] }];
      }
    }
    this.#bodyBytesMax = Math.min(this.#bodyBytesMax, Math.ceil(body.bytes.length / 2));
    const { kind } = await this.server(signal);
    const results: BulkResult[] = [];
    for (const half of bulkBodies(body.items, kind, () => this.#bodyBytesMax)) {
      results.push(...await this.#sendBody(half, signal));
    }
    return results;
  }

  #sizeMax(): number {
    return Math.min(this.#bodyBytesMax, this.#roomBytes);
  }

  /** What it takes at once depends on its memory and on all others that write. */
  #makeRoom({ bytes }: BulkBody, isTaken: boolean): void {
    const size = isTaken ? this.#roomBytes * 2 : Math.max(bytes.length / 2, roomBytesMin);
    this.#roomBytes = Math.min(size, this.options.limits.elasticsearchBulkBytesMax);
  }

  async #turn(): Promise<void> {
    while (this.#inFlight >= inFlightMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#inFlight++;
  }

  #release(): void {
    this.#inFlight--;
    this.#waiting.shift()?.();
  }
}

/** Elasticsearch takes no moment before 1970: the age of such a month counts from its making. */
function originOf(year: number, month: number) {
  const ms = startOfMonth(year, month).getTime();
  return ms < 0 ? {} : { "index.lifecycle.origination_date": ms };
}

/** One is made and sent while the other is worked on; more gain nothing. */
const inFlightMax = 2;
/** Less than that is not worth a request of its own. */
const bodyBytesMin = 1024 * 1024;

/** A node that has no room for so little has none at all. */
const roomBytesMin = 64 * 1024;

/** Longer each time, and never the same for all who wait. */
function waitMs(tries: number): number {
  return Math.min(waitMsMax, 50 * 2 ** tries) * (0.5 + Math.random() / 2);
}

const waitMsMax = 5000;
