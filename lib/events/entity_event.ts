/**
 * The EntityEvent: what happened to one row of one entity. Its JSON is what travels in
 * FRAISEQL_EVENTS, keys in the order of the interface below, one object a line.
 */

import { readEventLine } from "./event_line.ts";
import { type JsonMember, jsonMembers, readText } from "./json_members.ts";
import { toUtcTimestamp } from "./timestamp.ts";

export const EVENT_TYPES = ["Created", "Updated", "Deleted"] as const;
export type EventType = typeof EVENT_TYPES[number];

export interface EntityEvent {
  /** A UUID in lower case; it stays through every retry. */
  readonly id: string;
  readonly eventType: EventType;
  /** The GraphQL type's name. */
  readonly entityType: string;
  /** The key's text; a composite key is a JSON array of texts. */
  readonly entityId: string;
  /** RFC 3339 in UTC with microseconds. */
  readonly timestamp: string;
  /** A JSON object as text, so that its numbers keep all digits. */
  readonly data: string;
  readonly userId: string | null;
  readonly orgId: string | null;
  /** `{"column":{"old":..,"new":..}}` as text, on Updated alone; null where it is left out. */
  readonly changes: string | null;
}

/** What is no event, and why. */
export class BadEvent {
  constructor(readonly reason: string) {}
}

/** Reads an event as our own publisher writes it. */
export function parseEvent(line: Uint8Array): EntityEvent | BadEvent {
  return readEventLine(line) ?? parse(line, false);
}

/**
 * Reads an event of another producer: keys in any order, unknown ones ignored, `INSERT`, `UPDATE`,
 * `DELETE` for the types, `tenant_id` for `org_id`, any RFC 3339 time; `user_id`, `org_id` and
 * `changes` may be absent. Everything in it is checked, since PostgreSQL will have to take it.
 */
export function parseForeignEvent(line: Uint8Array): EntityEvent | BadEvent {
  return parse(line, true);
}

/** The event's JSON on one line, without the line's end. */
export function writeEvent(event: EntityEvent): string {
  const { id, eventType, entityType, entityId, timestamp, data, userId, orgId, changes } = event;
  return `{"id":"${id}","event_type":"${eventType}","entity_type":${JSON.stringify(entityType)}` +
    `,"entity_id":${JSON.stringify(entityId)},"timestamp":"${timestamp}","data":${data}` +
    `,"user_id":${JSON.stringify(userId)},"org_id":${JSON.stringify(orgId)}` +
    `${changes === null ? "" : `,"changes":${changes}`}}`;
}

/** The lines of a message, empty ones left out; views of its bytes, not copies. */
export function* eventLines(message: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < message.length;) {
    const found = message.indexOf(0x0a, start);
    const end = found < 0 ? message.length : found;
    const last = message[end - 1] === 0x0d ? end - 1 : end;
    if (last > start) yield message.subarray(start, last);
    start = end + 1;
  }
}

/** The objects in a message of another producer: one of however many lines, or one on each line. */
export function* foreignLines(message: Uint8Array): Generator<Uint8Array, void> {
  if (typeof jsonMembers(message) === "string") yield* eventLines(message);
  else yield message;
}

/** A name that can be a GraphQL type and a part of a subject. */
export function isEntityType(text: string): boolean {
  return /^[_A-Za-z][_0-9A-Za-z]{0,254}$/.test(text);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const ownTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

const FOREIGN_TYPES: Readonly<Record<string, EventType>> = {
  INSERT: "Created",
  UPDATE: "Updated",
  DELETE: "Deleted",
};

const KEYS: readonly string[] = [
  "id",
  "event_type",
  "entity_type",
  "entity_id",
  "timestamp",
  "data",
  "user_id",
  "org_id",
  "changes",
];

function parse(line: Uint8Array, foreign: boolean): EntityEvent | BadEvent {
  const members = jsonMembers(line);
  if (typeof members === "string") return new BadEvent(members);
  const unknown = foreign ? undefined : [...members.keys()].find((key) => !KEYS.includes(key));
  if (unknown !== undefined) return new BadEvent(`no such key: ${JSON.stringify(unknown)}`);
  try {
    const fields = new Fields(line, members, foreign);
    const id = fields.text("id");
    if (!uuid.test(id)) throw new BadEvent(`id is no UUID: ${JSON.stringify(id.slice(0, 64))}`);
    const eventType = fields.eventType();
    const entityType = fields.text("entity_type");
    if (!isEntityType(entityType)) {
      throw new BadEvent(`entity_type is no name: ${JSON.stringify(entityType.slice(0, 64))}`);
    }
    const entityId = fields.text("entity_id");
    if (entityId === "") throw new BadEvent("entity_id is empty");
    const changes = members.has("changes") ? fields.objectOrNull("changes") : null;
    if (changes !== null && eventType !== "Updated") {
      throw new BadEvent(`changes on an event of type ${eventType}`);
    }
    return {
      id: id.toLowerCase(),
      eventType,
      entityType,
      entityId,
      timestamp: fields.timestamp(),
      data: fields.object("data"),
      userId: fields.textOrNull("user_id"),
      orgId: fields.orgId(),
      changes,
    };
  } catch (error) {
    if (error instanceof BadEvent) return error;
    throw error;
  }
}

/** The values by key; each method throws a `BadEvent` with what is wrong. */
class Fields {
  constructor(
    private readonly line: Uint8Array,
    private readonly members: ReadonlyMap<string, JsonMember>,
    private readonly foreign: boolean,
  ) {}

  text(key: string): string {
    const value = this.textOrNull(key, false);
    if (value === null) throw new BadEvent(`${key} is missing`);
    return value;
  }

  textOrNull(key: string, nullable = true): string | null {
    const member = this.members.get(key);
    if (!member && (this.foreign || !nullable)) return null;
    if (!member) throw new BadEvent(`${key} is missing`);
    if (member.kind === "null" && nullable) return null;
    if (member.kind !== "text") throw new BadEvent(`${key} is no text but ${member.kind}`);
    const value = readText(this.line.subarray(member.start, member.end));
    if (value === null) throw new BadEvent(`${key} is no valid text`);
    if (this.foreign && (value.includes("\0") || !value.isWellFormed())) {
      throw new BadEvent(`${key} holds what PostgreSQL cannot: U+0000 or half a character`);
    }
    return value;
  }

  object(key: string): string {
    const value = this.objectOrNull(key);
    if (value === null) throw new BadEvent(`${key} is no object but null`);
    return value;
  }

  /** As text; checked inside only where it is not ours. */
  objectOrNull(key: string): string | null {
    const member = this.members.get(key);
    if (!member) throw new BadEvent(`${key} is missing`);
    if (member.kind === "null") return null;
    if (member.kind !== "object") throw new BadEvent(`${key} is no object but ${member.kind}`);
    if (this.foreign && !isShallow(this.line.subarray(member.start, member.end))) {
      throw new BadEvent(`${key} is nested deeper than ${levelsMax} levels`);
    }
    let text: string;
    try {
      text = decoder.decode(this.line.subarray(member.start, member.end));
      if (this.foreign) JSON.parse(text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new BadEvent(`${key} is no valid JSON: ${reason}`);
    }
    if (!this.foreign) return text;
    if (/(?<!\\)(?:\\\\)*\\u0000/.test(text) || hasHalfCharacter(text)) {
      throw new BadEvent(`${key} holds what PostgreSQL cannot: U+0000 or half a character`);
    }
    // Between values only: within a text a line's end is escaped.
    return text.replaceAll(/[\r\n]+/g, " ");
  }

  eventType(): EventType {
    const text = this.text("event_type");
    const known = EVENT_TYPES.find((type) => type === text) ??
      (this.foreign && Object.hasOwn(FOREIGN_TYPES, text) ? FOREIGN_TYPES[text] : undefined);
    if (known) return known;
    const words = [...EVENT_TYPES, ...this.foreign ? Object.keys(FOREIGN_TYPES) : []];
    throw new BadEvent(
      `event_type is none of ${words.join(", ")}: ${JSON.stringify(text.slice(0, 64))}`,
    );
  }

  timestamp(): string {
    const text = this.text("timestamp");
    if (!this.foreign && ownTime.test(text)) return text;
    const utc = this.foreign ? toUtcTimestamp(text) : null;
    if (utc !== null) return utc;
    const wanted = this.foreign ? "RFC 3339" : "RFC 3339 in UTC with microseconds";
    throw new BadEvent(`timestamp is not ${wanted}: ${JSON.stringify(text.slice(0, 64))}`);
  }

  orgId(): string | null {
    const org = this.textOrNull("org_id");
    if (!this.foreign || !this.members.has("tenant_id")) return org;
    const tenant = this.textOrNull("tenant_id");
    if (org !== null && tenant !== null && org !== tenant) {
      throw new BadEvent("org_id and tenant_id differ");
    }
    return org ?? tenant;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Readers' JSON libraries recurse: Python's stops at about 1000 levels, and V8's with a function. */
const levelsMax = 200;

/** The value is JSON with its brackets in order. */
function isShallow(json: Uint8Array): boolean {
  let [depth, isText] = [0, false];
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (isText && byte === 0x5c) at++;
    else if (byte === 0x22) isText = !isText;
    else if (isText) continue;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > levelsMax) return false;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return true;
}

/** Half of a pair of surrogates as an escape: JSON has it, PostgreSQL's jsonb refuses it. */
function hasHalfCharacter(text: string): boolean {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return false;
  let half = false;
  JSON.parse(text, (key, value) => {
    half ||= !key.isWellFormed() || (typeof value === "string" && !value.isWellFormed());
    return value;
  });
  return half;
}
