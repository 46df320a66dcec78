/**
 * The bridge: FRAISEQL_EVENTS -> FRAISEQL_BATCHES, JSON lines to Arrow record batches, each event
 * once and in order. What is in FRAISEQL_BATCHES is its checkpoint, so it can be killed at any time.
 */

import { acknowledgedFeed } from "../lib/events/acknowledged_feed.ts";
import { dataBytesMax } from "../lib/events/atomic_publish.ts";
import { type Holder, holderHere, holderText } from "../lib/events/holder.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import type { NatsSettings } from "../lib/events/nats_url.ts";
import type { Limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { Rate } from "../lib/rate.ts";
import { pause, within } from "../lib/waiting.ts";
import { BatchStream } from "./bridge_batches.ts";
import { BridgeEncoder, type BridgePayload } from "./bridge_encode.ts";
import { bridgeFeed } from "./bridge_feed.ts";
import { bridgeLag } from "./bridge_lag.ts";
import { heartbeatMs, untilFree, writeBridgeProgress } from "./bridge_progress.ts";
import { BRIDGE_STARTING, type BridgeState } from "./bridge_state.ts";
import { deliver } from "./deliver.ts";
import { LagEvents } from "./lag_events.ts";
import { PlaceLost, type Refusal, type Sink } from "./sink.ts";

export interface BridgeOptions {
  readonly nats: NatsSettings;
  readonly limits: Limits;
  readonly log: Log;
  /** Name of this machine. */
  readonly host?: string;
  readonly onState: (state: BridgeState) => void;
  readonly signal: AbortSignal;
}

/** Bridges until the signal is aborted; throws what waiting cannot mend. */
export async function runBridge(options: BridgeOptions): Promise<void> {
  const { nats: settings, log, signal } = options;
  const bridge = new Bridge(options);
  const onWait = (line: string) => bridge.tell({ kind: "waiting", reason: line, lastError: line });
  try {
    const nats = await connectNats({ settings, name: "fraiseql bridge", log, signal, onWait });
    try {
      await bridge.run(nats);
    } finally {
      await nats.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

class Bridge {
  readonly #instance = crypto.randomUUID();
  #state = BRIDGE_STARTING;
  /** This bridge is the one that works. */
  #isAtWork = false;
  #wasFenced = false;
  #holder: Holder | null = null;
  #lagEvents = new LagEvents();
  #levelAt = performance.now();
  #rate = new Rate();

  constructor(private readonly options: BridgeOptions) {}

  async run(nats: Nats): Promise<void> {
    const { limits, log, signal } = this.options;
    const batches = new BatchStream(nats, log);
    const encoder = new BridgeEncoder({
      rows: limits.batchRowsMax,
      bytes: limits.bridgeBatchBytesMax,
      messageBytes: dataBytesMax(nats),
    });
    const beating = new AbortController();
    const beats = this.#beat(nats, batches, beating.signal);
    const events = bridgeFeed({
      nats,
      log,
      batches,
      encoder,
      max: { messages: limits.pullMessagesMax, bytes: limits.bridgePullBytesMax },
      flushMs: limits.bridgeFlushMsMax,
      overlapEventsMax: limits.bridgeOverlapEventsMax,
      untilFree: (signal) => this.#untilFree(nats, signal),
    });
    const replays = acknowledgedFeed({
      nats,
      stream: STREAM.replay,
      worker: "bridge",
      subject: SUBJECT.replay("bridge"),
      max: { messages: 1, bytes: limits.pullBytesMax }, // in order, one by one
    });
    try {
      await deliver({
        worker: "bridge",
        nats,
        feeds: [events, replays],
        encode: (messages) => encoder.encode(messages),
        sink: this.#sink(batches),
        log,
        retryWaitMsMax: limits.retryWaitMsMax,
        drainMsMax: limits.drainSecondsMax * 1000,
        signal,
        watch: {
          written: ({ feed, lastSequence, pending, rows, messages }) => {
            const isEvents = feed === events.name;
            if (isEvents) this.#lagEvents.saw(rows, messages);
            if (isEvents && pending === 0) this.#levelAt = performance.now();
            this.tell({
              kind: "working",
              reason: "",
              batchSequence: batches.sequence,
              epoch: batches.epoch,
              events: batches.rowsPublished,
              ...isEvents && { sequence: lastSequence, pending },
            });
          },
          waiting: (_whom, reason) => {
            const kind = /^no room/.test(reason) ? "full" : "waiting";
            this.tell({ kind, reason, lastError: reason });
            // What comes meanwhile is behind it too; where NATS is what is away, that is not known.
            bridgeLag(nats).then((lag) => lag && this.tell({ pending: lag.messages }), () => {});
          },
        },
      });
    } finally {
      beating.abort();
      await beats;
      // A courtesy: without it the next bridge waits a few seconds.
      if (this.#isAtWork) {
        const goodbye = this.#record(nats, batches, true);
        await within(goodbyeMsMax, goodbye).catch(() => {}); // NATS may be gone
      }
    }
  }

  #sink(batches: BatchStream): Sink<BridgePayload> {
    return {
      name: STREAM.batches,
      connect: () => Promise.resolve(),
      write: async (payload): Promise<Refusal[]> => {
        try {
          for (let batch; (batch = payload.batches[payload.published]); payload.published++) {
            await batches.publish(batch);
            // At full rate the garbage collector would let a dozen of them lie.
            batch.stream.buffer.transfer(0);
          }
          return [];
        } catch (error) {
          if (error instanceof PlaceLost) [this.#isAtWork, this.#wasFenced] = [false, true];
          throw error;
        }
      },
      close: () => Promise.resolve(),
    };
  }

  async #untilFree(nats: Nats, signal: AbortSignal): Promise<void> {
    this.#isAtWork = false;
    // Where another bridge has written, its sign of life comes over this one's first.
    if (this.#wasFenced) await pause(1.5 * heartbeatMs, signal);
    this.#wasFenced = false;
    const onStandBy = (holder: Holder | null) => {
      const other = holderText(holder);
      this.options.log.info("bridge stands by: another one works, or ended just now", { other });
      this.tell({ kind: "standing by", reason: `another bridge works: ${other}` });
    };
    await untilFree(nats, this.#instance, onStandBy, signal);
    if (!this.#isAtWork) this.#holder = holderHere(this.options.host ?? "");
    this.#isAtWork = true;
  }

  /** Signs of life, until the signal is aborted. */
  async #beat(nats: Nats, batches: BatchStream, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(heartbeatMs, signal);
      if (signal.aborted || !this.#isAtWork || batches.created === "") continue;
      try {
        await this.#record(nats, batches, false);
        if (this.#state.kind === "starting" || this.#state.kind === "standing by") {
          this.tell({ kind: "working", reason: "" });
        } else this.tell({});
      } catch (error) {
        // Whether NATS works shows in the batches; without a record another bridge tries.
        this.options.log.debug("the bridge's record was not written", { error });
      }
    }
  }

  #record(nats: Nats, batches: BatchStream, stopped: boolean): Promise<void> {
    const { created, sequence, epoch, head } = batches;
    return writeBridgeProgress(nats, {
      instance: this.#instance,
      stopped,
      batchesCreated: created,
      batchSequence: sequence,
      epoch,
      head,
      state: this.#state.kind,
      events: this.#state.events,
      lastError: this.#state.lastError,
      at: new Date().toISOString(),
      holder: this.#holder ?? undefined,
    });
  }

  tell(some: Partial<BridgeState>): void {
    const now = performance.now();
    const { events, pending, kind } = { ...this.#state, ...some };
    const eventsPerSecond = this.#rate.perSecond(events, this.#state.eventsPerSecond);
    const isLevel = kind === "working" && pending === 0;
    const lagSeconds = isLevel ? 0 : Math.round((now - this.#levelAt) / 100) / 10;
    const lagEvents = this.#lagEvents.of(pending);
    this.#state = { ...this.#state, lagSeconds, lagEvents, eventsPerSecond, ...some };
    this.options.onState(this.#state);
  }
}

const goodbyeMsMax = 1000;
