/**
 * The sink of searched events: FRAISEQL_EVENTS -> Elasticsearch, or the embedded store where none is
 * named. Each message is acknowledged after the store has it; what comes again is there already, since
 * an event is stored under its id. So several copies share the work.
 */

import { acknowledgedFeed } from "../lib/events/acknowledged_feed.ts";
import { connectNats, type Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import type { NatsSettings } from "../lib/events/nats_url.ts";
import type { Limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { SearchIndex } from "../lib/search/store.ts";
import { deliver } from "./deliver.ts";
import { ELASTICSEARCH_STARTING, type ElasticsearchState } from "./elasticsearch_state.ts";
import { indexEvents } from "./indexer.ts";
import { openSearchIndex, type SearchSettings, searchStoreName } from "./search_place.ts";
import { SearchSink } from "./search_sink.ts";
import { Teller } from "./sink_state.ts";

export interface ElasticsearchOptions {
  readonly nats: NatsSettings;
  readonly search: SearchSettings;
  readonly limits: Limits;
  readonly log: Log;
  /** Told of every change. */
  readonly onState: (state: ElasticsearchState) => void;
  readonly signal: AbortSignal;
}

/** Stores events until the signal is aborted; throws what waiting cannot mend. */
export async function runElasticsearch(options: ElasticsearchOptions): Promise<void> {
  const { nats: settings, search, limits, log, signal } = options;
  const teller = new Teller(ELASTICSEARCH_STARTING, options.onState);
  const onWait = (line: string) => teller.tell({ kind: "waiting", reason: line, lastError: line });
  try {
    const name = "fraiseql elasticsearch";
    const nats = await connectNats({ settings, name, log, signal, onWait });
    try {
      await store(nats, openSearchIndex(search, limits), options, teller);
    } finally {
      await nats.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function store(
  nats: Nats,
  index: SearchIndex,
  { search, limits, log, signal }: ElasticsearchOptions,
  teller: Teller<ElasticsearchState>,
): Promise<void> {
  const max = { messages: limits.pullMessagesMax, bytes: limits.searchPullBytesMax };
  const events = acknowledgedFeed({
    nats,
    stream: STREAM.events,
    worker,
    subject: SUBJECT.allEvents,
    max,
    gatherMs: limits.searchFlushMsMax,
  });
  const replays = acknowledgedFeed({
    nats,
    stream: STREAM.replay,
    worker,
    subject: SUBJECT.replay(worker),
    max,
  });
  let tooOld = 0;
  await deliver({
    worker,
    nats,
    feeds: [events, replays],
    encode: (messages) => indexEvents(messages, search.columns),
    sink: new SearchSink({
      index,
      name: searchStoreName(search),
      retentionDays: search.retentionDays,
      aheadDaysMax: limits.searchAheadDaysMax,
      log,
      onConnected: () => teller.tell({ kind: "working", reason: "" }),
      onTooOld: (count) => tooOld += count,
    }),
    log,
    retryWaitMsMax: limits.retryWaitMsMax,
    drainMsMax: limits.drainSecondsMax * 1000,
    signal,
    watch: {
      written: ({ feed, lastSequence, messages, rows, pending }) => {
        const isEvents = feed === events.name;
        if (isEvents) teller.lagEvents.saw(rows, messages);
        teller.written(rows, { tooOld, ...isEvents && { sequence: lastSequence, pending } });
      },
      waiting: (_whom, reason) => teller.tell({ kind: "waiting", reason, lastError: reason }),
    },
  });
}

const worker = "elasticsearch";
