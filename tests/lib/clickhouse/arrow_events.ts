/** Events as Arrow bytes for tests, by the Arrow project's own writer. */

// deno-lint-ignore-file camelcase -- the names are those of the columns

import {
  Dictionary,
  Int32,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Uint64,
  Utf8,
  vectorFromArray,
} from "apache-arrow";

/** A row of `fraiseql_events`. */
export interface StoredEvent {
  readonly event_id: string;
  readonly event_type: "Created" | "Updated" | "Deleted";
  readonly entity_type: string;
  readonly entity_id: string;
  /** Microseconds since 1970. */
  readonly timestamp: bigint;
  readonly data: string;
  readonly user_id: string | null;
  readonly org_id: string | null;
  readonly position: bigint;
}

/** Midnight of a day that no retention forgets while the tests run. */
export const today = BigInt(Math.floor(Date.now() / 86_400_000)) * 86_400_000_000n;

/** An event with some of its columns said. */
export function storedEvent(some: Partial<StoredEvent> = {}): StoredEvent {
  return {
    event_id: crypto.randomUUID(),
    event_type: "Created",
    entity_type: "Order",
    entity_id: "1",
    timestamp: today + 123_456n,
    data: '{"id":1}',
    user_id: null,
    org_id: null,
    position: 1n,
    ...some,
  };
}

/** The bytes of one stream of one batch, in the order of the columns. */
export function toArrowStream(events: readonly StoredEvent[]): Uint8Array<ArrayBuffer> {
  const texts = (name: "event_id" | "entity_id" | "data" | "user_id") =>
    vectorFromArray(events.map((event) => event[name]), new Utf8());
  const words = (name: "event_type" | "entity_type" | "org_id") =>
    vectorFromArray(events.map((event) => event[name]), new Dictionary(new Utf8(), new Int32()));
  // The library takes milliseconds here; microseconds are set behind its back.
  const timestamp = vectorFromArray(events.map(() => 0), new TimestampMicrosecond("UTC"));
  const raw = timestamp.data[0]!.values as unknown as BigInt64Array;
  events.forEach((event, i) => raw[i] = event.timestamp);
  return new Uint8Array(tableToIPC(
    new Table({
      event_id: texts("event_id"),
      event_type: words("event_type"),
      entity_type: words("entity_type"),
      entity_id: texts("entity_id"),
      timestamp,
      data: texts("data"),
      user_id: texts("user_id"),
      org_id: words("org_id"),
      position: vectorFromArray(events.map(({ position }) => position), new Uint64()),
    }),
    "stream",
  ));
}
