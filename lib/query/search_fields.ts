/** A search's selections -> the shape of its rows, and how each value is written into them. */

import { epochMicroseconds } from "../arrow/row_code.ts";
import type { ObjectField, ResultField, ScalarField } from "../arrow/result_field.ts";
import { dataAt } from "../search/data_path.ts";
import { highlightsOf } from "../search/highlights.ts";
import type { SearchHit, StoredEvent } from "../search/store.ts";
import { BIG_INT } from "./aggregates.ts";
import type { Attribute, BinaryRows } from "./binary_rows.ts";
import { microsOf } from "./moments.ts";
import type { PageSelection, Selection } from "./read_plan.ts";
import { RECORD_ARRAY_OID, RECORD_OID } from "./schema.ts";
import { searchCursor } from "./search_cursors.ts";
import type { HighlightSelection, HitSelection, SearchRead } from "./search_read.ts";
import { leafField, recordsField } from "./sql_parts.ts";

/** Writes a value of a source, its length before it. */
export type WriteValue<Source> = (rows: BinaryRows, source: Source) => void;

/** A field of a result and how its value is written. */
export interface Part<Source> {
  readonly field: ResultField;
  readonly oid: number;
  /** A constant has no value, an inline object one for each of its fields. */
  readonly values: readonly WriteValue<Source>[];
}

/** What a page tells of itself. */
export interface PageFound {
  readonly total: number | null;
  readonly hasMore: boolean;
  readonly isFirst: boolean;
  readonly firstCursor: string | null;
  readonly lastCursor: string | null;
}

const BOOLEAN = 16;
const TEXT = 25;
const TEXT_ARRAY = 1009;

/** The parts of one hit; `isFlat`: an event's fields stand beside the others, as Arrow has them. */
export function hitParts(
  parts: readonly HitSelection[],
  query: SearchRead["query"],
  isFlat: boolean,
): Part<SearchHit>[] {
  return parts.map((part): Part<SearchHit> => {
    switch (part.kind) {
      case "constant":
        return constant(part);
      case "cursor":
        return textPart(part.name, ({ place }) => searchCursor(query, place));
      case "highlights":
        return highlightsPart(part, query);
      case "node": {
        const inner = part.selection.map(eventPart);
        const fields = inner.map(({ field }) => field);
        if (!isFlat) return recordPart(part.name, inner, ({ event }: SearchHit) => event);
        const object: ObjectField = {
          kind: "object",
          name: part.name,
          nullable: false,
          fields,
          inlinePrefix: "",
        };
        const values = inner.flatMap((event) => event.values).map(
          (write): WriteValue<SearchHit> => (rows, hit) => write(rows, hit.event),
        );
        return { field: object, oid: 0, values };
      }
      default:
        return part satisfies never;
    }
  });
}

/** The part of a page beside its hits. */
export function pageInfoPart(name: string, parts: readonly PageSelection[]): Part<PageFound> {
  return recordPart(
    name,
    parts.map((part): Part<PageFound> => {
      switch (part.kind) {
        case "constant":
          return constant(part);
        case "hasNextPage":
          return booleanPart(part.name, ({ hasMore }) => hasMore);
        case "hasPreviousPage":
          return booleanPart(part.name, ({ isFirst }) => !isFirst);
        case "startCursor":
          return textPart(part.name, ({ firstCursor }) => firstCursor, true);
        case "endCursor":
          return textPart(part.name, ({ lastCursor }) => lastCursor, true);
        default:
          return part satisfies never;
      }
    }),
    (found) => found,
  );
}

export function totalPart(name: string): Part<PageFound> {
  return {
    field: leafField(name, false, BIG_INT, BIG_INT.oid),
    oid: BIG_INT.oid,
    values: [(rows, { total }) => rows.int8(BigInt(total ?? 0))],
  };
}

/** The list of hits, whose records were written already. */
export function edgesField(name: string, parts: readonly Part<SearchHit>[]): ResultField {
  return recordsField(name, parts.map(({ field }) => field));
}

/** The oid of `edgesField`. */
export const edgesOid = RECORD_ARRAY_OID;

/** A record's attributes of a source. */
export function attributes<Source>(
  parts: readonly Part<Source>[],
  rows: BinaryRows,
  source: Source,
): Attribute[] {
  return parts.flatMap(({ oid, values }) =>
    values.map((write) => ({ oid, write: () => write(rows, source) }))
  );
}

export function constant(field: ResultField & { kind: "constant" }): Part<unknown> {
  return { field, oid: 0, values: [] };
}

function recordPart<Source, Inner>(
  name: string,
  parts: readonly Part<Inner>[],
  inner: (source: Source) => Inner,
): Part<Source> {
  const fields = parts.map(({ field }) => field);
  return {
    field: { kind: "object", name, nullable: false, oid: RECORD_OID, fields },
    oid: RECORD_OID,
    values: [(rows, source) => rows.record(attributes(parts, rows, inner(source)))],
  };
}

function textPart<Source>(
  name: string,
  read: (source: Source) => string | null,
  nullable = false,
): Part<Source> {
  return {
    field: { kind: "scalar", name, nullable, type: { kind: "text" }, oid: TEXT },
    oid: TEXT,
    values: [(rows, source) => writeText(rows, read(source))],
  };
}

function writeText(rows: BinaryRows, text: string | null): void {
  if (text === null) rows.none();
  else rows.text(text);
}

function booleanPart<Source>(name: string, read: (source: Source) => boolean): Part<Source> {
  return {
    field: { kind: "scalar", name, nullable: false, type: { kind: "bool" }, oid: BOOLEAN },
    oid: BOOLEAN,
    values: [(rows, source) => rows.boolean(read(source))],
  };
}

function highlightsPart(
  { name, parts }: HitSelection & { kind: "highlights" },
  { terms }: SearchRead["query"],
): Part<SearchHit> {
  const inner = parts.map(highlightPart);
  return {
    field: recordsField(name, inner.map(({ field }) => field)),
    oid: RECORD_ARRAY_OID,
    values: [(rows, { event }) => {
      const found = highlightsOf(event.data, terms);
      rows.array(RECORD_OID, found, (highlight) => rows.record(attributes(inner, rows, highlight)));
    }],
  };
}

type Highlight = ReturnType<typeof highlightsOf>[number];

function highlightPart(part: HighlightSelection): Part<Highlight> {
  switch (part.kind) {
    case "constant":
      return constant(part);
    case "text":
      return textPart(part.name, ({ text }) => text);
    case "path": {
      const item: ScalarField = {
        kind: "scalar",
        name: "item",
        nullable: false,
        type: { kind: "text" },
        oid: TEXT,
      };
      return {
        field: { kind: "list", name: part.name, nullable: false, oid: TEXT_ARRAY, item },
        oid: TEXT_ARRAY,
        values: [(rows, { path }) => rows.array(TEXT, path, (key) => rows.text(key))],
      };
    }
    default:
      return part satisfies never;
  }
}

/** A field of an event. */
function eventPart(selection: Selection): Part<StoredEvent> {
  if (selection.kind === "constant") return constant(selection);
  if (selection.kind !== "column" || selection.column.type.kind !== "leaf") {
    throw new Error(`events have no ${selection.name}`);
  }
  const { name, column: { name: event, type, nullable }, path } = selection;
  const part = (write: WriteValue<StoredEvent>): Part<StoredEvent> => ({
    field: leafField(name, nullable || path !== undefined, type, type.oid),
    oid: type.oid,
    values: [write],
  });
  switch (event) {
    case "eventId":
      return part((rows, { eventId }) => rows.uuid(eventId));
    case "eventType":
    case "entityType":
    case "entityId":
    case "userId":
    case "orgId":
      return part((rows, stored) => writeText(rows, stored[event]));
    case "timestamp":
      return part((rows, { timestamp }) =>
        rows.int8((microsOf(timestamp) ?? 0n) - epochMicroseconds)
      );
    case "data":
      return part((rows, { data }) => writeText(rows, path ? dataAt(data, path) : data));
    case "position":
      return part((rows) => rows.none());
    default:
      throw new Error(`events have no ${event}`);
  }
}
