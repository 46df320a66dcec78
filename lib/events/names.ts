/** The names of streams and subjects that others rely on, each in one place. */

/** The workers that have progress and refused messages of their own. */
export const WORKERS = ["publisher", "bridge", "clickhouse", "elasticsearch"] as const;
export type Worker = typeof WORKERS[number];

/** JetStream's streams. */
export const STREAM = {
  events: "FRAISEQL_EVENTS",
  ingest: "FRAISEQL_INGEST",
  batches: "FRAISEQL_BATCHES",
  progress: "FRAISEQL_PROGRESS",
  dead: "FRAISEQL_DEAD",
  /** What a worker shall take once more: only this worker, and never through the events. */
  replay: "FRAISEQL_REPLAY",
} as const;
export type StreamName = typeof STREAM[keyof typeof STREAM];

export const SUBJECT = {
  event: (entityType: string) => `fraiseql.events.${entityType}`,
  allEvents: "fraiseql.events.*",
  checkpoint: "fraiseql.checkpoint",
  ingest: "fraiseql.ingest.>",
  batches: "fraiseql.batches",
  progress: (worker: string) => `fraiseql.progress.${worker}`,
  allProgress: "fraiseql.progress.>",
  dead: (worker: string) => `fraiseql.dead.${worker}`,
  allDead: "fraiseql.dead.*",
  replay: (worker: string) => `fraiseql.replay.${worker}`,
  allReplays: "fraiseql.replay.*",
} as const;

export const HEADER = {
  id: "Nats-Msg-Id",
  contentType: "Content-Type",
  traceparent: "traceparent",
  backfill: "Fraiseql-Backfill",
} as const;

/** What the bridge says of a batch in FRAISEQL_BATCHES; docs/bridge.md tells what they mean. */
export const BATCH_HEADER = {
  created: "Fraiseql-Source-Created",
  sourceEpoch: "Fraiseql-Source-Epoch",
  first: "Fraiseql-Source-First",
  last: "Fraiseql-Source-Last",
  next: "Fraiseql-Source-Next",
  eventId: "Fraiseql-Event-Id",
  overlap: "Fraiseql-Overlap",
  epoch: "Fraiseql-Epoch",
  /** How many rows a batch has; 0: it says only how far the bridge is. */
  rows: "Fraiseql-Rows",
  replayed: "Fraiseql-Replayed",
} as const;

export const CONTENT_TYPE = {
  json: "application/json",
  lines: "application/x-ndjson",
  arrow: "application/vnd.apache.arrow.stream",
} as const;
