/**
 * What a search found, out of the bytes of its answer: parsed as a whole, the numbers of an event's
 * data would be rounded.
 */

import { AppError } from "../errors.ts";
import { jsonItems, type JsonMember, jsonMembers, readText } from "../events/json_members.ts";
import type { SearchHit } from "../search/store.ts";

export interface FoundHits {
  readonly hits: readonly SearchHit[];
  /** Null where it was not counted. */
  readonly total: number | null;
  readonly timedOut: boolean;
  /** Parts of indices that were looked at. */
  readonly shards: number;
}

/** Reads the answer of a search. */
export function readHits(answer: Uint8Array): FoundHits {
  const top = new Members(answer);
  const hits = new Members(top.bytes("hits"));
  const total = hits.parsed<{ readonly value: number } | undefined>("total");
  const { total: shards } = top.parsed<{ readonly total: number }>("_shards");
  return {
    hits: itemsOf(hits.bytes("hits")).map(readHit),
    total: total?.value ?? null,
    timedOut: top.parsed("timed_out"),
    shards,
  };
}

function readHit(bytes: Uint8Array): SearchHit {
  const hit = new Members(bytes);
  const source = new Members(hit.bytes("_source"));
  const place = hit.parsed<(string | number)[]>("sort");
  return {
    event: {
      eventId: source.text("event_id"),
      eventType: source.text("event_type"),
      entityType: source.text("entity_type"),
      entityId: source.text("entity_id"),
      timestamp: source.text("timestamp"),
      data: decoder.decode(source.bytes("data")),
      userId: source.textOrNull("user_id"),
      orgId: source.textOrNull("org_id"),
    },
    place,
  };
}

const decoder = new TextDecoder();

/** The members of an object of the answer; each method throws where one is missing. */
class Members {
  readonly #members: ReadonlyMap<string, JsonMember>;

  constructor(private readonly object: Uint8Array) {
    const members = jsonMembers(object);
    if (typeof members === "string") throw notOurs(members);
    this.#members = members;
  }

  bytes(key: string): Uint8Array {
    const member = this.#members.get(key);
    if (!member) throw notOurs(`there is no ${key}`);
    return this.object.subarray(member.start, member.end);
  }

  text(key: string): string {
    const text = this.textOrNull(key);
    if (text === null) throw notOurs(`${key} is null`);
    return text;
  }

  textOrNull(key: string): string | null {
    const bytes = this.bytes(key);
    const kind = this.#members.get(key)?.kind;
    if (kind === "null") return null;
    const text = kind === "text" ? readText(bytes) : null;
    if (text === null) throw notOurs(`${key} is no text`);
    return text;
  }

  /** Undefined where it is missing: some are, as it was asked. */
  parsed<Value>(key: string): Value {
    if (!this.#members.has(key)) return undefined as Value;
    return JSON.parse(decoder.decode(this.bytes(key))) as Value;
  }
}

function itemsOf(bytes: Uint8Array): Uint8Array[] {
  const items = jsonItems(bytes);
  if (typeof items === "string") throw notOurs(items);
  return items.map(({ start, end }) => bytes.subarray(start, end));
}

function notOurs(what: string): AppError {
  return new AppError("INTERNAL", `Elasticsearch found what is no event of ours: ${what}`, {
    hint: "only fraiseql may write to its indices",
  });
}
