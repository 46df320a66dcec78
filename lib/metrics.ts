/** Every metric of the program, in Prometheus' text format. (only door to npm:prom-client) */

import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  type MetricObject,
  Registry,
} from "prom-client";

/** One metric as a plain object, for those who pass snapshots on. */
export type { MetricObject };

/** From a point read to a long export. */
const durationBucketsSeconds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

export interface Metrics {
  /** Requests by transport (`http`, `flight`) and code (`OK` or an error's code). */
  readonly requests: Counter<"transport" | "code">;
  readonly requestSeconds: Histogram<"transport">;
  readonly rows: Counter<"transport">;
  readonly bytes: Counter<"transport">;
  /** Answers that are being streamed. */
  readonly streams: Gauge<"transport">;
  readonly connections: Gauge<"state">;
  readonly flightRestarts: Counter;
  readonly workerRestarts: Counter<"worker">;
  /** Each stage of the event path: whether it works, and how far it is in its stream. */
  readonly stageUp: Gauge<"stage">;
  readonly stagePosition: Gauge<"stage">;
  readonly stageLagSeconds: Gauge<"stage">;
  readonly stageLagEvents: Gauge<"stage">;
  readonly stageRate: Gauge<"stage">;
  /** Events of other producers since the publisher began, and messages of theirs that wait. */
  readonly ingestEvents: Gauge<"outcome">;
  readonly ingestBacklog: Gauge;
  /** Events since the sink of searched events began that were older than the retention. */
  readonly searchTooOld: Gauge;
  /** Queries that the result cache may answer, those that it did and those that it did not. */
  readonly resultCacheHits: Counter;
  readonly resultCacheMisses: Counter;
  /** What the result cache holds, results under way included. */
  readonly resultCacheBytes: Gauge;
  readonly resultCacheEntries: Gauge;
  /** Calls it before metrics are given, so that what changes all the time is set only then. */
  onCollect(set: () => void): void;
  /** The metrics as plain objects, to be sent to another process. */
  snapshot(): Promise<MetricObject[]>;
  /** Prometheus' text of these metrics and of other processes' snapshots. */
  text(others?: readonly MetricObject[][]): Promise<string>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const collectors: (() => void)[] = [];
  const collect = () => collectors.forEach((set) => set());
  return {
    requests: new Counter({
      name: "fraiseql_requests_total",
      help: "Requests by transport and code",
      labelNames: ["transport", "code"],
      registers,
    }),
    requestSeconds: new Histogram({
      name: "fraiseql_request_duration_seconds",
      help: "Time from a request's arrival to the end of its answer",
      labelNames: ["transport"],
      buckets: durationBucketsSeconds,
      registers,
    }),
    rows: new Counter({
      name: "fraiseql_rows_total",
      help: "Rows of root fields sent",
      labelNames: ["transport"],
      registers,
    }),
    bytes: new Counter({
      name: "fraiseql_bytes_total",
      help: "Bytes of answers sent, before transport compression",
      labelNames: ["transport"],
      registers,
    }),
    streams: new Gauge({
      name: "fraiseql_streams",
      help: "Answers being streamed",
      labelNames: ["transport"],
      registers,
    }),
    connections: new Gauge({
      name: "fraiseql_postgres_connections",
      help: "PostgreSQL connections by state",
      labelNames: ["state"],
      registers,
    }),
    flightRestarts: new Counter({
      name: "fraiseql_flight_restarts_total",
      help: "Times the Flight process ended unasked and was started again",
      registers,
    }),
    workerRestarts: new Counter({
      name: "fraiseql_worker_restarts_total",
      help: "Times a worker ended unasked and was started again",
      labelNames: ["worker"],
      registers,
    }),
    stageUp: new Gauge({
      name: "fraiseql_stage_up",
      help: "Whether a stage of the event path works",
      labelNames: ["stage"],
      registers,
    }),
    stagePosition: new Gauge({
      name: "fraiseql_stage_position",
      help: "Sequence in its stream up to which a stage is done",
      labelNames: ["stage"],
      registers,
    }),
    stageLagSeconds: new Gauge({
      name: "fraiseql_stage_lag_seconds",
      help: "Since a stage last had all that lies before it",
      labelNames: ["stage"],
      registers,
    }),
    stageLagEvents: new Gauge({
      name: "fraiseql_stage_lag_events",
      help:
        "Events that lie before a stage, at most: writes that were rolled back may be among them",
      labelNames: ["stage"],
      registers,
    }),
    stageRate: new Gauge({
      name: "fraiseql_stage_events_per_second",
      help: "Events that a stage passed on in a second",
      labelNames: ["stage"],
      registers,
    }),
    ingestEvents: new Gauge({
      name: "fraiseql_ingest_events",
      help: "Events of other producers since the publisher began, by what became of them",
      labelNames: ["outcome"],
      registers,
    }),
    ingestBacklog: new Gauge({
      name: "fraiseql_ingest_backlog_messages",
      help: "Messages in FRAISEQL_INGEST behind the last that was taken",
      registers,
    }),
    searchTooOld: new Gauge({
      name: "fraiseql_search_too_old_events",
      help: "Events left out of search since its sink began, being older than the retention",
      registers,
    }),
    resultCacheHits: new Counter({
      name: "fraiseql_result_cache_hits_total",
      help: "Queries answered from the result cache",
      registers,
    }),
    resultCacheMisses: new Counter({
      name: "fraiseql_result_cache_misses_total",
      help: "Queries that may be answered from the result cache and were read from PostgreSQL",
      registers,
    }),
    resultCacheBytes: new Gauge({
      name: "fraiseql_result_cache_bytes",
      help: "Bytes that the result cache holds, results under way included",
      registers,
    }),
    resultCacheEntries: new Gauge({
      name: "fraiseql_result_cache_entries",
      help: "Results in the result cache",
      registers,
    }),
    onCollect: (set) => void collectors.push(set),
    snapshot: () => {
      collect();
      return registry.getMetricsAsJSON() as unknown as Promise<MetricObject[]>;
    },
    async text(others = []) {
      collect();
      if (others.length === 0) return await registry.metrics();
      const own = await this.snapshot();
      return await AggregatorRegistry.aggregate([own, ...others]).metrics();
    },
  };
}
