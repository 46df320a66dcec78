/** The root fields of a schema and the relations that they read. */

import { hasPages } from "./cursors.ts";
import { EVENT_RELATIONS, EVENTS, EVENTS_AGGREGATE, SEARCH_EVENTS } from "./event_relations.ts";
import type { DataSchema, Relation } from "./schema.ts";

/** What a root field reads, and in which form. */
export interface Root {
  readonly relation: Relation;
  readonly kind: "rows" | "row" | "aggregates" | "connection" | "eventGroups" | "search";
}

const rootsBySchema = new WeakMap<DataSchema, ReadonlyMap<string, Root>>();

/** The root fields by their names; made once for each schema. */
export function rootFields(data: DataSchema): ReadonlyMap<string, Root> {
  const known = rootsBySchema.get(data);
  if (known) return known;
  const roots = new Map<string, Root>();
  for (const relation of data.relations) {
    const { listField, rowField } = relation;
    roots.set(listField, { relation, kind: "rows" });
    roots.set(`${listField}Aggregate`, { relation, kind: "aggregates" });
    if (hasPages(relation)) roots.set(`${listField}Connection`, { relation, kind: "connection" });
    if (rowField !== null) roots.set(rowField, { relation, kind: "row" });
  }
  // Where there are no events, validation lets none of these pass.
  for (const relation of EVENT_RELATIONS) roots.set(relation.listField, { relation, kind: "rows" });
  roots.set(EVENTS_AGGREGATE, { relation: EVENTS, kind: "eventGroups" });
  roots.set(SEARCH_EVENTS, { relation: EVENTS, kind: "search" });
  rootsBySchema.set(data, roots);
  return roots;
}
