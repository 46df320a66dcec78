/** A NATS account, something that publishes like the publisher, and bridges. */

import { publishPage } from "../../lib/events/atomic_publish.ts";
import { lastCheckpoint } from "../../lib/events/atomic_publish.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { type EntityEvent, writeEvent } from "../../lib/events/entity_event.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../../lib/events/names.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { messageAt, type StoredMessage, streamState } from "../../lib/events/stream_state.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { runBridge } from "../../sinks/bridge.ts";
import type { BridgeState } from "../../sinks/bridge_state.ts";
import { type BatchRow, readBatch } from "../lib/arrow/read_batch.ts";
import { connectTo, testLimits, testNats } from "../services/nats.ts";

export interface RunningBridge {
  readonly states: BridgeState[];
  readonly lines: string[];
  /** Resolves when it tells of such a state, or has told of it. */
  until(wanted: (state: BridgeState) => boolean): Promise<BridgeState>;
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface StoredBatch extends StoredMessage {
  readonly rows: BatchRow[];
}

export class Bridged {
  private readonly bridges: RunningBridge[] = [];
  epoch = 1;

  /** On streams that are there. */
  constructor(readonly url: string, readonly nats: Nats, readonly limits: Limits) {}

  /** Small waits, so that tests take none. */
  static async run(
    work: (bridged: Bridged) => Promise<void>,
    some: Partial<Limits> = {},
  ): Promise<void> {
    const url = await (await testNats()).createAccount();
    const nats = await connectTo(url);
    const all = limits({ ...testLimits, bridgeFlushMsMax: 20, retryWaitMsMax: 200, ...some });
    await migrateNats(nats, all);
    const bridged = new Bridged(url, nats, all);
    try {
      await work(bridged);
    } finally {
      for (const bridge of bridged.bridges) await bridge.stop().catch(() => {}); // its test looked
      await nats.close();
    }
  }

  bridge(some: Partial<Limits> = {}): RunningBridge {
    const stopping = new AbortController();
    const states: BridgeState[] = [];
    const lines: string[] = [];
    const waiting = new Set<() => void>();
    const ended = runBridge({
      nats: readNatsUrl(this.url),
      limits: limits({ ...this.limits, ...some }),
      log: createLog("info", (line) => void lines.push(line)),
      onState(state) {
        states.push(state);
        for (const look of waiting) look();
      },
      signal: stopping.signal,
    });
    ended.catch(() => {}); // `until` and `stop` tell
    const bridge: RunningBridge = {
      states,
      lines,
      ended,
      async until(wanted) {
        const found = states.find(wanted);
        if (found) return found;
        const { promise, resolve, reject } = Promise.withResolvers<BridgeState>();
        const look = () => {
          const last = states.at(-1);
          if (last && wanted(last)) resolve(last);
        };
        waiting.add(look);
        ended.then(() => reject(new Error("it ended")), reject);
        return await promise.finally(() => waiting.delete(look));
      },
      async stop() {
        stopping.abort();
        await ended;
      },
    };
    this.bridges.push(bridge);
    return bridge;
  }

  /** A page as the publisher makes it: messages by entity type, and a checkpoint. */
  async publish(
    all: readonly EntityEvent[],
    { perMessage = 100, done = true, headers = {} }: {
      readonly perMessage?: number;
      readonly done?: boolean;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<void> {
    const messages: string[][] = [];
    for (let i = 0; i < all.length; i += perMessage) {
      messages.push(all.slice(i, i + perMessage).map(writeEvent));
    }
    await this.publishLines(messages, done, headers);
  }

  async publishLines(
    messages: readonly (readonly string[])[],
    done = true,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const encoder = new TextEncoder();
    const published = await publishPage(this.nats, {
      messages: messages.map((lines) => ({
        subject: SUBJECT.event("Order"),
        data: encoder.encode(lines.join("\n") + "\n"),
        headers: { [HEADER.contentType]: CONTENT_TYPE.lines, ...headers },
      })),
      checkpoint: encoder.encode(JSON.stringify({ epoch: this.epoch, done })),
      expected: (await lastCheckpoint(this.nats))?.sequence ?? 0,
    });
    if (published.kind !== "published") throw new Error(JSON.stringify(published));
  }

  /** Waits until so many rows are in FRAISEQL_BATCHES. */
  async untilStored(rows: number, bridge?: RunningBridge): Promise<void> {
    let failure: unknown;
    bridge?.ended.catch((error) => failure = error);
    for (;;) {
      const batches = await this.heads();
      if (batches.reduce((sum, { headers }) => sum + rowsOf(headers), 0) >= rows) return;
      if (failure) throw failure;
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** All messages in FRAISEQL_BATCHES. */
  async heads(): Promise<StoredMessage[]> {
    const { firstSequence, lastSequence } = await streamState(this.nats, STREAM.batches);
    const found: StoredMessage[] = [];
    for (let sequence = Math.max(1, firstSequence); sequence <= lastSequence; sequence++) {
      const message = await messageAt(this.nats, STREAM.batches, sequence);
      if (message) found.push(message);
    }
    return found;
  }

  async batches(): Promise<StoredBatch[]> {
    return (await this.heads()).map((message) => ({ ...message, rows: readBatch(message.data) }));
  }

  /** Ids of all rows, in order. */
  async ids(): Promise<string[]> {
    return (await this.batches()).flatMap(({ rows }) => rows.map(({ id }) => id));
  }

  /** As if the stream had been lost: it has another time then. */
  async makeAnew(stream: typeof STREAM.events | typeof STREAM.batches): Promise<void> {
    await this.nats.manager.streams.delete(stream);
    await migrateNats(this.nats, this.limits);
  }
}

export function rowsOf(headers: ReadonlyMap<string, string>): number {
  return Number(headers.get("Fraiseql-Rows"));
}
