/** What an event is in Elasticsearch: the fields of its document, and what indices are made of. */

// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import type { IndexedEvent } from "../search/store.ts";
import { eachValue } from "../search/data_values.ts";
import { isFound, searchValueCharsMax } from "../search/values.ts";
import type { Names } from "./names.ts";
import type { Server } from "./server.ts";

/** Raised with every change of the fields; stands in the template and in each index. */
export const documentsVersion = 1;

export interface DocumentOptions {
  /** Names of the number columns. */
  readonly columns: readonly string[];
  readonly retentionDays: number;
}

type Field = Readonly<Record<string, unknown>>;

/**
 * Lucene takes 32,766 bytes in a term, and a UTF-16 unit has three at most. A longer text is stored,
 * and not found by its field.
 */
const keyword: Field = { type: "keyword", ignore_above: 8191 };

/**
 * Any JSON. In Elasticsearch every value is a text at its path, whatever other events have there; longer
 * texts are found by their words alone. What OpenSearch has of the kind refuses an event for one long
 * text, and falls over one that is nested deeply: there `data` is kept and not looked at, and its values
 * are found by fields of their own.
 */
function freeForm(kind: Server["kind"]): Readonly<Record<string, Field>> {
  if (kind === "opensearch") {
    return { data: { type: "object", enabled: false }, data_values: keyword, data_paths: keyword };
  }
  const limits = { ignore_above: searchValueCharsMax, depth_limit: levelsMax };
  return { data: { type: "flattened", ...limits } };
}

/** Elasticsearch's parser itself stops at 1000. */
const levelsMax = 1000;

/** Every field by its name. */
export function fieldsOf(
  kind: Server["kind"],
  columns: readonly string[],
): Readonly<Record<string, Field>> {
  return {
    event_id: keyword,
    event_type: keyword,
    entity_type: keyword,
    entity_id: keyword,
    timestamp: { type: "date" },
    ...freeForm(kind),
    user_id: keyword,
    org_id: keyword,
    // Its words are cut by us, so that all stores find the same; only spaces are left to find.
    search_text: { type: "text", analyzer: "whitespace" },
    // What is ordered and compared by, since a date has milliseconds.
    micros: { type: "long" },
    columns: {
      type: "object",
      dynamic: "false",
      properties: Object.fromEntries(columns.map((name) => [name, { type: "double" }])),
    },
  };
}

export function mappingsOf(kind: Server["kind"], { columns }: DocumentOptions) {
  return {
    // What is in no field of ours is stored and not looked at.
    dynamic: "false",
    _meta: { managed_by: "fraiseql", version: documentsVersion },
    properties: fieldsOf(kind, columns),
  };
}

/** Of every index; the moment that its age counts from is added when one is made. */
export function settingsOf({ policy }: Names, { hasPolicies }: Server) {
  return {
    "index.number_of_shards": 1,
    // One replica where there is a second node to hold it.
    "index.auto_expand_replicas": "0-1",
    // Named, so that an index which nobody searched for a while is refreshed all the same.
    "index.refresh_interval": "1s",
    // The newest come first in nearly every search, which then ends with the first that it finds.
    "index.sort.field": "micros",
    "index.sort.order": "desc",
    // One more than a page has tells whether there are more.
    "index.max_result_window": pageRowsMax + 1,
    ...hasPolicies && { "index.lifecycle.name": policy },
  };
}

/** Hits that one search gives at most: what Elasticsearch gives by default. */
export const pageRowsMax = 10_000;

export function templateOf(names: Names, server: Server, options: DocumentOptions) {
  return {
    index_patterns: [names.pattern],
    // Above those that Elasticsearch brings.
    priority: 500,
    _meta: templateMeta(server, options),
    template: {
      settings: settingsOf(names, server),
      mappings: mappingsOf(server.kind, options),
    },
  };
}

/** Of a template that has what it must. */
export function templateMeta({ hasPolicies }: Server, { columns }: DocumentOptions) {
  return {
    managed_by: "fraiseql",
    version: documentsVersion,
    columns: [...columns].sort().join(","),
    policies: hasPolicies,
  };
}

/**
 * An index's age counts from its making, or from the start of its month where we made it: it goes when
 * its last event is as old as events may be. It is never made read-only, nor merged by force, which
 * does that too: events of an older time still come in by a back-fill or a replay.
 */
export function policyOf({ retentionDays }: DocumentOptions) {
  const warm = monthDaysMax + Math.min(warmAfterDays, retentionDays);
  return {
    policy: {
      _meta: policyMeta({ retentionDays }),
      phases: {
        hot: { min_age: "0ms", actions: { set_priority: { priority: 100 } } },
        warm: { min_age: `${warm}d`, actions: { set_priority: { priority: 50 } } },
        delete: { min_age: `${retentionDays + monthDaysMax}d`, actions: { delete: {} } },
      },
    },
  };
}

export const policyMeta = ({ retentionDays }: { readonly retentionDays: number }) => ({
  managed_by: "fraiseql",
  version: documentsVersion,
  retention_days: retentionDays,
});

export const monthDaysMax = 31;
/** By then nearly all that is written to a month has come. */
const warmAfterDays = 7;

/** The event's document on one line. Its data is as it came, so that numbers keep their digits. */
export function documentOf(event: IndexedEvent, kind: Server["kind"]): string {
  const { eventId, eventType, entityType, entityId, timestamp, data, userId, orgId } = event;
  // Words are letters and digits, so there is nothing to escape.
  const texts = event.texts.length === 0 ? "" : `"${event.texts.join('","')}"`;
  return `{"event_id":"${eventId}","event_type":${JSON.stringify(eventType)}` +
    `,"entity_type":${JSON.stringify(entityType)},"entity_id":${JSON.stringify(entityId)}` +
    `,"timestamp":"${timestamp}","data":${data},"user_id":${JSON.stringify(userId)}` +
    `,"org_id":${JSON.stringify(orgId)},"search_text":[${texts}],"micros":${event.micros}` +
    `,"columns":${JSON.stringify(event.numbers)}${kind === "opensearch" ? valuesOf(data) : ""}}`;
}

/** The fields by which values are found in OpenSearch. */
function valuesOf(data: string): string {
  const [values, paths] = [new Set<string>(), new Set<string>()];
  eachValue(data, ({ text }, path) => {
    if (!isFound(text)) return;
    paths.add(path.join("."));
    values.add(valueAt(path, text));
  });
  return `,"data_values":${JSON.stringify([...values])},"data_paths":${JSON.stringify([...paths])}`;
}

/** A value with its path, as one text that no other of the two can have. */
export function valueAt(path: readonly string[], value: string): string {
  return `${path.join(".").replaceAll(/[\\=]/g, "\\$&")}=${value}`;
}
