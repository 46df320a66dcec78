/** Events of other producers, written into the change log together with their place in FRAISEQL_INGEST. */

import { AppError } from "../../errors.ts";
import type { Connection } from "../connection.ts";

/** The last message of FRAISEQL_INGEST that was taken. */
export interface IngestPlace {
  /** When the stream was made; empty before the first message. */
  readonly created: string;
  readonly sequence: number;
  /** When the stream took the message. */
  readonly timeMs: number;
}

export interface IngestProgress extends IngestPlace {
  /** Events, since the change log was made. */
  readonly taken: number;
  readonly repeated: number;
  readonly refused: number;
  /** By how much an event's own time was ever ahead of the clock. */
  readonly aheadMs: number;
  /** Null while it works. */
  readonly waitsFor: string | null;
}

/** An event as the change log takes it. */
export interface IngestedEvent {
  readonly id: string;
  readonly eventType: "Created" | "Updated" | "Deleted";
  readonly entityType: string;
  readonly entityId: string;
  readonly timestamp: string;
  readonly data: string;
  readonly changes: string | null;
  readonly userId: string | null;
  readonly orgId: string | null;
  readonly traceparent: string | null;
  /** What the limit on a line took away: 0 nothing, 1 changes, 2 the data too. */
  readonly cut: 0 | 1 | 2;
}

export interface IngestOptions {
  /** From the last place to the next; null for events that have none there. */
  readonly move: { readonly from: IngestPlace; readonly to: IngestPlace } | null;
  /** An id that was taken so long ago is taken again; null: never while it is remembered. */
  readonly dedupHours: number | null;
  /** Events that were parked of the same messages, for the count. */
  readonly refused: number;
}

/** What became of the events. */
export type Ingested =
  | { readonly kind: "taken"; readonly written: number; readonly repeated: number }
  /** Nothing was done: the change log has no room for them. */
  | { readonly kind: "full" }
  /** Nothing was done: somebody else has moved the place. */
  | { readonly kind: "moved" };

/** Reads how far FRAISEQL_INGEST is copied; null where the change log is older than that. */
export async function readIngestProgress(connection: Connection): Promise<IngestProgress | null> {
  const [there] = await connection.query(
    "select pg_catalog.to_regclass('fraiseql.ingest_progress') is not null",
  );
  if (there?.[0] !== "t") return null;
  const [row = []] = await connection.query(`
    select stream_created, sequence, message_ms, taken, repeated, refused,
      extract(epoch from ahead) * 1000, waits_for
    from fraiseql.ingest_progress`);
  const [sequence, timeMs, taken, repeated, refused, aheadMs] = row.slice(1, 7).map(Number);
  return {
    created: row[0] ?? "",
    sequence: sequence ?? 0,
    timeMs: timeMs ?? 0,
    taken: taken ?? 0,
    repeated: repeated ?? 0,
    refused: refused ?? 0,
    aheadMs: aheadMs ?? 0,
    waitsFor: row[7] ?? null,
  };
}

/** Writes the events and the place in one transaction; an id that was taken before is dropped. */
export async function ingest(
  connection: Connection,
  events: readonly IngestedEvent[],
  { move, dedupHours, refused }: IngestOptions,
): Promise<Ingested> {
  // One statement cannot look at an id that it writes itself.
  const ids = new Set<string>();
  const once = events.filter(({ id }) => !ids.has(id) && ids.add(id));
  const column = (of: (event: IngestedEvent) => string | null) => toArrayText(once.map(of));
  const [row = []] = await connection.query(INGEST, [
    move?.from.created ?? null,
    move === null ? null : String(move.from.sequence),
    move === null ? null : String(move.from.timeMs),
    move?.to.created ?? null,
    move === null ? null : String(move.to.sequence),
    move === null ? null : String(move.to.timeMs),
    dedupHours === null ? null : `${dedupHours} hours`,
    String(events.length - once.length),
    String(refused),
    column(({ id }) => id),
    column(({ eventType }) => eventType),
    column(({ entityType }) => entityType),
    column(({ entityId }) => entityId),
    column(({ timestamp }) => timestamp),
    column(({ data }) => data),
    column(({ changes }) => changes),
    column(({ userId }) => userId),
    column(({ orgId }) => orgId),
    column(({ traceparent }) => traceparent),
    column(({ cut }) => String(cut)),
  ]);
  const written = Number(row[1]);
  switch (row[0]) {
    case "taken":
      return { kind: "taken", written, repeated: events.length - written };
    case "full":
      return { kind: "full" };
    case "moved":
      return { kind: "moved" };
    default:
      throw new Error(`fraiseql.ingest() gave ${row[0]}`);
  }
}

const TYPES = [
  ...["text", "int8", "int8", "text", "int8", "int8", "interval", "int8", "int8"],
  ...["uuid[]", "text[]", "text[]", "text[]", "timestamptz[]", "text[]", "text[]", "text[]"],
  ...["text[]", "text[]", "int2[]"],
];
const INGEST = `select outcome, written from fraiseql.ingest(${
  TYPES.map((type, index) => `$${index + 1}::pg_catalog.${type}`).join(", ")
})`;

/** PostgreSQL's text of an array; the shortest where all are null, since `unnest` fills up with them. */
function toArrayText(values: readonly (string | null)[]): string {
  if (values.every((value) => value === null)) return "{}";
  return `{${
    values.map((value) => value === null ? "NULL" : `"${value.replaceAll(/["\\]/g, "\\$&")}"`)
      .join(",")
  }}`;
}

/** Says for `fraiseql status` why events of others wait; null: they do not any more. */
export async function sayIngestWaits(connection: Connection, reason: string | null): Promise<void> {
  await connection.query(
    "update fraiseql.ingest_progress set waits_for = $1::pg_catalog.text",
    [reason],
  );
}

/** Forgets ids that were taken longer ago; gives whether there may be more of them. */
export async function forgetIngestIds(connection: Connection, hours: number): Promise<boolean> {
  const [row] = await connection.query(
    "select fraiseql.forget_ingest_ids($1::pg_catalog.interval, $2::pg_catalog.int4)",
    [`${hours} hours`, String(forgetRowsMax)],
  );
  return Number(row?.[0]) >= forgetRowsMax;
}

/** Some tens of ms, which events wait for. */
const forgetRowsMax = 10_000;

/** Throws `NOT_FOUND` with what to do. */
export function noIngestTables(): AppError {
  return new AppError("NOT_FOUND", "the change log takes no events of other producers yet", {
    hint: "run fraiseql migrate",
  });
}
