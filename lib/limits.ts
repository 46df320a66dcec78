/**
 * Every limit: its default, the least and the most it can be set to, and the reason for the number.
 *
 * The name ends in the unit and then `Max`. `statementSecondsMax` is `[limits]
 * statement_seconds_max` in the file, `FRAISEQL_LIMITS_STATEMENT_SECONDS_MAX` in the environment
 * and `--limits-statement-seconds-max` as a flag.
 */

export interface LimitRow {
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly why: string;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const LIMITS = {
  bodyBytesMax: {
    value: MiB,
    min: KiB,
    max: 64 * MiB,
    why: "a query names data, it does not carry it; variables may hold long lists of keys",
  },
  ticketBytesMax: {
    value: 256 * KiB,
    min: KiB,
    max: 256 * KiB,
    why: "a ticket names data, it does not carry it; clients rely on no more than 256 KiB",
  },
  queryDepthMax: {
    value: 12,
    min: 1,
    max: 100,
    why: "each level is a join; people's queries stay below 8",
  },
  queryAliasesMax: {
    value: 100,
    min: 0,
    max: 10_000,
    why: "aliases repeat work without a longer schema",
  },
  queryRootFieldsMax: {
    value: 50,
    min: 1,
    max: 1000,
    why: "each root field is a statement of its own",
  },
  queryTokensMax: {
    value: 20_000,
    min: 100,
    max: 1_000_000,
    why: "the parser stops here; a long query of people has 2,000",
  },
  queryCostMax: {
    value: 100_000,
    min: 10,
    max: 1_000_000_000,
    why: "fields, each counted 1, and those in related lists 10 times for each list around them",
  },
  queryNestingMax: {
    value: 200,
    min: 10,
    max: 2000,
    why: "brackets in brackets in a text or its variables; the parsers recurse on them",
  },
  filterConditionsMax: {
    value: 500,
    min: 1,
    max: 50_000,
    why: "the planner of PostgreSQL takes long over more",
  },
  statementSecondsMax: {
    value: 300,
    min: 1,
    max: 86_400,
    why: "the longest a statement may run, its sending to a slow reader included",
  },
  poolConnectionsMax: {
    value: 16,
    min: 1,
    max: 1000,
    why: "of HTTP's pool; short answers take turns on them, beyond it they only crowd PostgreSQL",
  },
  flightPoolConnectionsMax: {
    value: 72,
    min: 1,
    max: 1000,
    why: "of Flight's pool: a stream holds one; beside HTTP's 16 they stay below PostgreSQL's 100",
  },
  poolWaitMsMax: {
    value: 10_000,
    min: 1,
    max: 600_000,
    why: "who waits longer for a connection is better told so",
  },
  poolQueueMax: {
    value: 1000,
    min: 0,
    max: 1_000_000,
    why: "a longer queue for connections only hides an overload",
  },
  poolIdleSecondsMax: {
    value: 300,
    min: 1,
    max: 86_400,
    why: "an unused connection is closed: it costs PostgreSQL memory, and firewalls forget it",
  },
  preparedStatementsMax: {
    value: 100,
    min: 0,
    max: 10_000,
    why: "kept on each connection; each holds memory in PostgreSQL",
  },
  connectMsMax: {
    value: 10_000,
    min: 100,
    max: 600_000,
    why: "opening a connection to PostgreSQL, TLS and password included",
  },
  silenceMsMax: {
    value: 10_000,
    min: 100,
    max: 600_000,
    why: "PostgreSQL ends statements itself; silent for so long after that, the network is gone",
  },
  recoverMsMax: {
    value: 5000,
    min: 100,
    max: 600_000,
    why: "reading a cancelled answer to its end takes far less; a connection that hangs is closed",
  },
  rowBytesMax: {
    value: 256 * MiB,
    min: 64 * KiB,
    max: 1024 * MiB,
    why: "one row lies in memory whole; PostgreSQL itself stops at 1 GiB",
  },
  batchRowsMax: {
    value: 10_000,
    min: 1,
    max: 10_000,
    why: "clients rely on no more rows in a record batch",
  },
  batchBytesMax: {
    value: 2 * MiB,
    min: 64 * KiB,
    max: 2 * MiB,
    why: "Go and Rust clients take gRPC messages of up to 4 MiB by default",
  },
  flightRowBytesMax: {
    value: 64 * MiB,
    min: 64 * KiB,
    max: 1024 * MiB,
    why: "a row above batchBytesMax goes alone, in one gRPC message",
  },
  httpStreamsMax: {
    value: 200,
    min: 1,
    max: 100_000,
    why:
      "GraphQL answers under way at once; those beyond HTTP's pool take turns, poolWaitMsMax each",
  },
  flightStreamsMax: {
    value: 64,
    min: 1,
    max: 10_000,
    why: "DoGet streams under way at once, until each has ended; no more than Flight's pool has",
  },
  flightEventStreamsMax: {
    value: 64,
    min: 1,
    max: 10_000,
    why: "ObserverEvents streams under way at once, those that follow included",
  },
  followSecondsMax: {
    value: 86_400,
    min: 1,
    max: 30 * 86_400,
    why: "a stream that follows ends after so long; its reader goes on behind its last position",
  },
  followIdleMsMax: {
    value: 15_000,
    min: 10,
    max: 600_000,
    why: "a stream that follows and has nothing to send says so by a batch without rows",
  },
  eventStepRowsMax: {
    value: 200_000,
    min: 1,
    max: 10_000_000,
    why: "events of history that ClickHouse sorts at once; fewer where eventHeldBytesMax says so",
  },
  eventStepBytesMax: {
    value: GiB,
    min: 64 * MiB,
    max: 2 * GiB - 1,
    why:
      "memory of ClickHouse for that; where it does not suffice, fewer events are sorted at once",
  },
  eventHeldBytesMax: {
    value: 16 * MiB,
    min: 64 * KiB,
    max: GiB,
    why:
      "events of history that one reader has before it, so that it holds no statement; twice that",
  },
  batchedQueriesMax: {
    value: 50,
    min: 1,
    max: 1000,
    why: "queries of a BatchedQueries ticket; each is a statement in the one stream",
  },
  partitionsMax: {
    value: 64,
    min: 1,
    max: 1000,
    why: "endpoints that one read is split into; each is read on a connection of its own",
  },
  partitionSnapshotSeconds: {
    value: 60,
    min: 1,
    max: 3600,
    why: "tickets of partitions are good for so long; VACUUM removes nothing newer meanwhile",
  },
  partitionSnapshotsMax: {
    value: 8,
    min: 0,
    max: 1000,
    why: "snapshots held for partitions at once; each holds a connection beside the pool",
  },
  ticketLevelsMax: {
    value: 64,
    min: 8,
    max: 1000,
    why: "JSON nested deeper is no filter of a person, and costs stack to walk",
  },
  flightHeaderBytesMax: {
    value: 16 * KiB,
    min: KiB,
    max: 48 * KiB,
    why: "request headers of a call; a token has 1 to 4 KiB, HTTP/2 itself stops at 64 KiB",
  },
  flightConnectionCallsMax: {
    value: 200,
    min: 1,
    max: 10_000,
    why: "calls under way on one connection; the client itself keeps further ones waiting",
  },
  httpConnectionsMax: {
    value: 2000,
    min: 1,
    max: 100_000,
    why: "open sockets, idle ones included",
  },
  httpHeaderBytesMax: {
    value: 32 * KiB,
    min: 8 * KiB,
    max: MiB,
    why: "URL and headers of a request; long queries go by POST",
  },
  httpRequestSecondsMax: {
    value: 30,
    min: 1,
    max: 3600,
    why:
      "from a connection's or request's start to its last byte; who sends more slowly is cut off",
  },
  httpIdleSecondsMax: {
    value: 75,
    min: 1,
    max: 3600,
    why: "a kept-alive connection without a request",
  },
  httpStallSecondsMax: {
    value: 60,
    min: 1,
    max: 3600,
    why: "an answer of which the client takes no byte",
  },
  schemaFileBytesMax: {
    value: 4 * MiB,
    min: KiB,
    max: 256 * MiB,
    why: "a schema file is read whole; one of a thousand relations has about a tenth of this",
  },
  drainSecondsMax: {
    value: 10,
    min: 0,
    max: 600,
    why: "what is in flight at a shutdown may take this long",
  },
  planCacheEntriesMax: {
    value: 1000,
    min: 0,
    max: 1_000_000,
    why: "parsed and validated texts that are kept",
  },
  catalogReadsPerMinuteMax: {
    value: 60,
    min: 1,
    max: 6000,
    why: "reads of the catalog by the server itself; each costs PostgreSQL some tens of ms",
  },
  catalogAgeMsMax: {
    value: 1000,
    min: 1,
    max: 3_600_000,
    why: "a query is planned by a catalog looked at so long ago at most; a look costs about 1 ms",
  },
  resultCacheBytesMax: {
    value: 64 * MiB,
    min: MiB,
    max: 64 * 1024 * MiB,
    why: "kept results in each process, those being made included; nothing is kept by default",
  },
  resultCacheEntryBytesMax: {
    value: 8 * MiB,
    min: KiB,
    max: 1024 * MiB,
    why: "a larger result is sent as it comes and not kept: it would push out many small ones",
  },
  changeLogBytesMax: {
    value: 10 * 1024 * MiB,
    min: 16 * MiB,
    max: 1024 * 1024 * 1024 * MiB,
    why:
      "a change log that nobody empties must not fill PostgreSQL's disk; set by fraiseql migrate",
  },
  eventBytesMax: {
    value: 4 * MiB,
    min: 16 * KiB,
    max: 64 * MiB,
    why: "an event's line; below NATS's usual max_payload of 8 MiB; set by fraiseql migrate",
  },
  truncateRowsMax: {
    value: 10_000,
    min: 0,
    max: 10_000_000,
    why: "rows of a TRUNCATE that get an event each, about 50 us; set by fraiseql migrate",
  },
  backfillRowsMax: {
    value: 1000,
    min: 1,
    max: 100_000,
    why: "rows of a back-fill's chunk; who writes one of them waits for the chunk, some 20 ms",
  },
  backfillBytesMax: {
    value: 4 * MiB,
    min: KiB,
    max: 1024 * MiB,
    why: "of a back-fill's chunk, as its rows lie on the disk; a larger single row goes alone",
  },
  backfillLogPercentMax: {
    value: 50,
    min: 1,
    max: 90,
    why: "a back-fill waits while so much of the change log is used: the rest is for live writes",
  },
  eventStreamBytesMax: {
    value: 8 * GiB,
    min: MiB,
    max: 1024 * 1024 * GiB,
    why: "events in NATS until every sink has them; a full stream holds the publisher back",
  },
  batchStreamBytesMax: {
    value: 8 * GiB,
    min: MiB,
    max: 1024 * 1024 * GiB,
    why: "record batches in NATS until every sink has them; a full stream holds the bridge back",
  },
  ingestStreamBytesMax: {
    value: GiB,
    min: MiB,
    max: 1024 * 1024 * GiB,
    why: "events of other producers on their way; a full stream refuses further ones",
  },
  deadStreamBytesMax: {
    value: GiB,
    min: MiB,
    max: 1024 * 1024 * GiB,
    why: "what workers refused, until somebody decides; a full stream makes them wait",
  },
  natsMessageBytesMax: {
    value: 8 * MiB,
    min: MiB,
    max: 64 * MiB,
    why: "max_payload of the embedded nats-server: an event may have 4 MiB, a record batch 2 MiB",
  },
  publishPageBytesMax: {
    value: 4 * MiB,
    min: 64 * KiB,
    max: 32 * MiB,
    why:
      "events published at once; two such pages are held in memory, and a larger single one alone",
  },
  publishMessageBytesMax: {
    value: 256 * KiB,
    min: KiB,
    max: 16 * MiB,
    why: "events in one message; far larger ones gain nothing, and each is read whole",
  },
  ingestDedupHours: {
    value: 48,
    min: 1,
    max: 24 * 365,
    why: "an event of another producer whose id came within so long is dropped; each id is kept",
  },
  ingestRowsMax: {
    value: 10_000,
    min: 1,
    max: 100_000,
    why: "events of other producers in one transaction; those of one message stay together",
  },
  ingestRefusedEventsMax: {
    value: 100,
    min: 1,
    max: 10_000,
    why: "refused events of one message that are parked each by itself; the rest of them as one",
  },
  changeLogKeepHours: {
    value: 24,
    min: 0,
    max: 24 * 365,
    why:
      "events stay in the change log so long after NATS has them, to fill a stream that was lost",
  },
  eventStreamKeepHours: {
    value: 72,
    min: 0,
    max: 24 * 365,
    why:
      "events and batches stay in NATS so long, for those who follow or read once more, and longer " +
      "until every sink has them",
  },
  pullBytesMax: {
    value: 8 * MiB,
    min: 64 * KiB,
    max: 256 * MiB,
    why: "what a worker takes at once and holds in memory; a larger single message comes alone",
  },
  pullMessagesMax: {
    value: 1000,
    min: 1,
    max: 100_000,
    why: "messages that a worker takes at once; each of them may be many events",
  },
  bridgePullBytesMax: {
    value: 3 * MiB,
    min: 64 * KiB,
    max: 256 * MiB,
    why: "events that the bridge takes at once, some 8,000; two such pulls are held in memory",
  },
  bridgeBatchBytesMax: {
    value: 4 * MiB,
    min: 64 * KiB,
    max: 32 * MiB,
    why: "a record batch in NATS: 10,000 usual events have 3 MiB; a larger single event goes alone",
  },
  bridgeFlushMsMax: {
    value: 200,
    min: 1,
    max: 60_000,
    why: "a batch waits so long for further events: each is an insert into ClickHouse later",
  },
  searchFlushMsMax: {
    value: 200,
    min: 1,
    max: 2000,
    why: "a bulk request to the store of searched events waits so long for further events",
  },
  searchAheadDaysMax: {
    value: 366,
    min: 1,
    max: 36_500,
    why:
      "events further ahead in time are parked where they are searched: each month is an index or " +
      "a file of its own, and a clock that is wrong would make hundreds",
  },
  bridgeOverlapEventsMax: {
    value: 2_000_000,
    min: 0,
    max: 50_000_000,
    why:
      "events whose ids are compared after NATS lost some, 32 bytes of memory each for that time",
  },
  retryWaitMsMax: {
    value: 15_000,
    min: 100,
    max: 600_000,
    why: "the longest a worker waits between two tries while the other side is down",
  },
  verifyWaitSecondsMax: {
    value: 60,
    min: 1,
    max: 3600,
    why: "verify waits so long for bridge and sink to have what NATS has; usually it is a second",
  },
  deadListMax: {
    value: 10_000,
    min: 1,
    max: 10_000_000,
    why: "parked messages that one dead list, replay or discard looks at unless told otherwise",
  },
  clickhouseQueriesMax: {
    value: 16,
    min: 2,
    max: 200,
    why: "statements of the embedded ClickHouse at once; each holds a thread of its process",
  },
  clickhouseQueueMax: {
    value: 100,
    min: 0,
    max: 10_000,
    why: "requests that wait for the embedded ClickHouse; a longer queue only hides an overload",
  },
  clickhouseQuerySecondsMax: {
    value: 300,
    min: 1,
    max: 86_400,
    why: "the longest a statement of ClickHouse may run, its sending to a slow reader included",
  },
  clickhouseBodyBytesMax: {
    value: 256 * MiB,
    min: MiB,
    max: 16 * GiB,
    why: "data of one insert into the embedded ClickHouse; 50,000 events have some 15 MiB",
  },
  clickhouseResultBytesMax: {
    value: GiB,
    min: MiB,
    max: 64 * GiB,
    why:
      "a result that the embedded ClickHouse cannot stream, FORMAT JSON say, lies in memory whole",
  },
  clickhouseMemoryBytesMax: {
    value: 2 * GiB,
    min: 256 * MiB,
    max: 1024 * GiB,
    why: "of the embedded ClickHouse; a query that wants more than three quarters is refused",
  },
  clickhousePullBytesMax: {
    value: 24 * MiB,
    min: 64 * KiB,
    max: 256 * MiB,
    why:
      "batches of one insert when the sink is behind, some 60,000 events, which cost ClickHouse " +
      "less together; two such pulls are held in memory",
  },
  elasticsearchAnswerMsMax: {
    value: 60_000,
    min: 100,
    max: 3_600_000,
    why: "an answer of Elasticsearch, its body included; a bulk of 5 MiB takes it a second or two",
  },
  elasticsearchAnswerBytesMax: {
    value: 64 * MiB,
    min: 64 * KiB,
    max: 1024 * MiB,
    why: "an answer of Elasticsearch lies in memory whole; a page of 1000 events has about a MiB",
  },
  elasticsearchBulkBytesMax: {
    value: 5 * MiB,
    min: 64 * KiB,
    max: 90 * MiB,
    why:
      "events sent to Elasticsearch at once, twice that in all; it takes 5 to 15 MB best, 100 at most",
  },
  elasticsearchRetryMsMax: {
    value: 30_000,
    min: 0,
    max: 600_000,
    why:
      "events that Elasticsearch cannot take just now are sent again for so long, then the sink waits",
  },
  clickhouseInsertMonthsMax: {
    value: 50,
    min: 1,
    max: 100,
    why: "months of one insert into ClickHouse, which makes a file of each and takes 100 at most",
  },
  clickhouseAnswerMsMax: {
    value: 60_000,
    min: 100,
    max: 3_600_000,
    why: "an insert or a change of tables takes seconds; silent for so long, ClickHouse is down",
  },
  searchPullBytesMax: {
    value: 2 * MiB,
    min: 64 * KiB,
    max: 256 * MiB,
    why: "events that the sink of searched events takes at once: as documents they are twice as " +
      "large, a bulk body; each MiB costs it some 20 of memory",
  },
  searchRankedMax: {
    value: 10_000,
    min: 1,
    max: 1_000_000,
    why:
      "the newest hits, of which the embedded search ranks by relevance: each costs it some 5 us",
  },
  searchPageBytesMax: {
    value: 64 * MiB,
    min: KiB,
    max: GiB,
    why: "the data of the events of one search, which lie in memory whole",
  },
  searchReadersMax: {
    value: 2,
    min: 1,
    max: 32,
    why: "searches of the embedded store at once; each has a thread and its memory, others wait",
  },
  searchWordsMax: {
    value: 64,
    min: 1,
    max: 1000,
    why: "words of one search; each is looked up, and people type five",
  },
  searchValuesMax: {
    value: 5000,
    min: 1,
    max: 20_000,
    why: "values that the conditions of one search name; Elasticsearch takes 65,536 at once",
  },
  searchDepthMax: {
    value: 12,
    min: 1,
    max: 14,
    why: "levels of and, or, not in a search's where; Elasticsearch takes 30, and not needs two",
  },
  searchHitsMax: {
    value: 10_000,
    min: 1,
    max: 1_000_000,
    why: "events that one search gives, over HTTP in one object; `after` goes on behind them",
  },
} as const satisfies Readonly<Record<string, LimitRow>>;

export type LimitName = keyof typeof LIMITS;

/** The value of every limit. */
export type Limits = Readonly<Record<LimitName, number>>;

/** All limits at their defaults, with some set otherwise. */
export function limits(some: Partial<Limits> = {}): Limits {
  const defaults = Object.fromEntries(
    Object.entries(LIMITS).map(([name, row]) => [name, row.value]),
  ) as Record<LimitName, number>;
  return { ...defaults, ...some };
}
