/**
 * The ClickHouse sink: FRAISEQL_BATCHES -> `fraiseql_events_data`, Arrow bytes as they are. Before
 * an insert it records the range in FRAISEQL_PROGRESS, and after it that it is done; a range that
 * was not finished is stored again, and ClickHouse shows each event once.
 */

import { type Clickhouse, connectClickhouse } from "../lib/clickhouse/client.ts";
import type { ClickhouseSettings } from "../lib/clickhouse/url.ts";
import { acknowledgedFeed } from "../lib/events/acknowledged_feed.ts";
import { holderText } from "../lib/events/holder.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import type { NatsSettings } from "../lib/events/nats_url.ts";
import { recordedFeed, recordSilenceMs } from "../lib/events/recorded_feed.ts";
import type { Limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { encodeBatches } from "./clickhouse_encode.ts";
import { heldSequence } from "./clickhouse_held.ts";
import { clickhouseLag } from "./clickhouse_lag.ts";
import { ClickhouseSink } from "./clickhouse_sink.ts";
import { deliver } from "./deliver.ts";
import { SINK_STARTING, type SinkState, Teller } from "./sink_state.ts";

export interface ClickhouseOptions {
  readonly nats: NatsSettings;
  readonly clickhouse: ClickhouseSettings;
  readonly retentionDays: number;
  readonly limits: Limits;
  readonly log: Log;
  /** Name of this machine. */
  readonly host?: string;
  /** Told of every change. */
  readonly onState: (state: SinkState) => void;
  readonly signal: AbortSignal;
}

/** Stores events until the signal is aborted; throws what waiting cannot mend. */
export async function runClickhouse(options: ClickhouseOptions): Promise<void> {
  const { nats: settings, clickhouse, limits, log, signal } = options;
  const teller = new Teller<SinkState>(SINK_STARTING, options.onState);
  const onWait = (line: string) => teller.tell({ kind: "waiting", reason: line, lastError: line });
  try {
    const nats = await connectNats({ settings, name: "fraiseql clickhouse", log, signal, onWait });
    try {
      await store(nats, connectClickhouse(clickhouse, limits), options, teller);
    } finally {
      await nats.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function store(
  nats: Nats,
  clickhouse: Clickhouse,
  { retentionDays, limits, log, host = "", signal }: ClickhouseOptions,
  teller: Teller<SinkState>,
): Promise<void> {
  const max = { messages: limits.pullMessagesMax, bytes: limits.clickhousePullBytesMax };
  const batches = recordedFeed({
    nats,
    stream: STREAM.batches,
    worker,
    max,
    heldLast: (signal) => heldSequence(nats, clickhouse, max.messages, signal),
    onReplaced: ({ message: reason }) => log.warn("batches are stored from the first", { reason }),
    onGap: ({ first, last }) =>
      log.error("batches left the stream before they were stored", { first, last }),
    host,
    onStandBy(holder) {
      const other = holderText(holder);
      const seconds = recordSilenceMs / 1000;
      log.info("sink stands by: another one works, or ended just now", { other, seconds });
      const reason = `another sink works, or ended within the last ${seconds} s: ${other}`;
      teller.tell({ kind: "standing by", reason });
    },
  });
  const replays = acknowledgedFeed({
    nats,
    stream: STREAM.replay,
    worker,
    subject: SUBJECT.replay(worker),
    max,
  });
  await deliver({
    worker,
    nats,
    feeds: [batches, replays],
    encode: (messages) => encodeBatches(messages, limits.clickhouseInsertMonthsMax),
    sink: new ClickhouseSink({
      clickhouse,
      retentionDays,
      onConnected: () => teller.tell({ kind: "working", reason: "" }),
    }),
    log,
    retryWaitMsMax: limits.retryWaitMsMax,
    drainMsMax: limits.drainSecondsMax * 1000,
    signal,
    watch: {
      written: ({ feed, lastSequence, rows, messages, pending }) => {
        const isBatches = feed === batches.name;
        if (isBatches) teller.lagEvents.saw(rows, messages);
        teller.written(rows, isBatches ? { sequence: lastSequence, pending } : {});
      },
      waiting(_whom, reason) {
        teller.tell({ kind: "waiting", reason, lastError: reason });
        // What comes meanwhile is behind it too; where NATS is what is away, that is not known.
        clickhouseLag(nats).then((lag) => lag && teller.tell({ pending: lag.batches }), () => {});
      },
    },
  });
}

const worker = "clickhouse";
