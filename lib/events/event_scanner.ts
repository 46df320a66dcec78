/**
 * JSON lines of EntityEvents -> Arrow columns, byte by byte: no string, no object and no copy but
 * into the column. What is not in the form in which the publisher writes it goes the long way, by
 * `parseEvent`, with the same result; what is no event is told and left out.
 *
 * `data` is followed by its brackets and texts alone, as `parseEvent` does it.
 */

import { isUtf8 } from "node:buffer";
import type { EventColumns, TextColumn } from "../arrow/event_columns.ts";
import {
  BadEvent,
  type EntityEvent,
  EVENT_TYPES,
  isEntityType,
  parseEvent,
} from "./entity_event.ts";
import type { IdSet } from "./id_set.ts";

/** A message, and how far it is scanned. */
export class Scan {
  /** The byte and the line to go on with; empty lines are no lines. */
  at = 0;
  line = 0;
  /** Id of the last line; empty where that was no event. */
  lastId = "";
  readonly refused: RefusedLine[] = [];
  /** Events that are known already, and were left out. */
  repeats = 0;
  readonly view: DataView;
  readonly isText: boolean;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Asked for the whole message at once; where it is not, each line is looked at by itself.
    this.isText = isUtf8(bytes);
  }

  /** Goes past the first lines. */
  skip(lines: number): void {
    const { bytes } = this;
    while (this.line < lines && this.at < bytes.length) {
      const found = bytes.indexOf(newline, this.at);
      const end = found < 0 ? bytes.length : found;
      const length = end - this.at - (bytes[end - 1] === carriageReturn ? 1 : 0);
      if (length > 0) this.line++;
      this.at = end + 1;
    }
  }
}

/** A line that is no event. */
export interface RefusedLine {
  /** Among the lines of the message. */
  readonly line: number;
  /** View of the message. */
  readonly bytes: Uint8Array;
  readonly reason: string;
}

/**
 * Goes on with the message until its end, or until the columns are full: gives whether the end was
 * reached. Events in `known` are left out.
 */
export function scanEvents(columns: EventColumns, scan: Scan, known: IdSet | null): boolean {
  const { bytes, view, isText } = scan;
  const end = bytes.length;
  /** The row in the slot is the last line's. */
  let lastRow = -1;
  const stop = (isEnd: boolean): boolean => {
    if (lastRow >= 0) scan.lastId = idAt(columns.ids, lastRow);
    return isEnd;
  };
  while (scan.at < end) {
    if (bytes[scan.at] === newline) {
      scan.at++;
      continue;
    }
    let next = isText ? scanRow(columns, bytes, view, scan.at, end) : -1;
    let lineEnd = bytes[next - 1] === newline ? next - 1 : next;
    let reason: string | null = null;
    if (next < 0) {
      const found = bytes.indexOf(newline, scan.at);
      next = found < 0 ? end : found + 1;
      lineEnd = found < 0 ? end : found;
      if (bytes[lineEnd - 1] === carriageReturn) lineEnd--;
      if (lineEnd <= scan.at) {
        scan.at = next;
        continue;
      }
      reason = parseRow(columns, bytes.subarray(scan.at, lineEnd));
    }
    if (reason === null && known?.has(columns.idWords, 4 * columns.rows)) {
      scan.repeats++;
      lastRow = columns.rows;
    } else if (reason === null) {
      const committed = columns.commit();
      if (committed === "full") return stop(false);
      if (committed === "taken") lastRow = columns.rows - 1;
      else reason = "a record batch cannot hold it: it is larger than a NATS message may be";
    }
    if (reason !== null) {
      scan.refused.push({ line: scan.line, bytes: bytes.subarray(scan.at, lineEnd), reason });
      [lastRow, scan.lastId] = [-1, ""];
    }
    scan.at = next;
    scan.line++;
  }
  return stop(true);
}

/** The text of an id in a column of ids. */
export function idAt(ids: Uint8Array, row: number): string {
  const hex = ids.subarray(16 * row, 16 * row + 16).toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-");
}

/**
 * Writes the line at `p` into the slot and gives where the next one begins; -1 where the line is not
 * in the publisher's form, or is cut. Hot: keys are compared four bytes at a time, texts are copied
 * while their end is looked for. Beside `JSON.parse` and Arrow's own builders it takes a tenth
 * (`deno task bench bridge`).
 */
function scanRow(
  columns: EventColumns,
  m: Uint8Array,
  view: DataView,
  p: number,
  end: number,
): number {
  if (end - p < leastBytes) return -1;
  const row = columns.rows;
  if (view.getInt32(p, true) !== ID_0 || view.getInt32(p + 3, true) !== ID_3) return -1;
  p += 7;
  if (!scanId(columns.ids, 16 * row, m, p)) return -1;
  p += 36;

  if (
    view.getInt32(p, true) !== EVENT_TYPE_0 || view.getInt32(p + 4, true) !== EVENT_TYPE_4 ||
    view.getInt32(p + 8, true) !== EVENT_TYPE_8 || view.getInt32(p + 12, true) !== EVENT_TYPE_12
  ) return -1;
  p += 16;
  const [word, rest] = [view.getInt32(p, true), view.getInt32(p + 3, true)];
  const type = word === CREATED_0 && rest === CREATED_3
    ? 0
    : word === UPDATED_0 && rest === UPDATED_3
    ? 1
    : word === DELETED_0 && rest === DELETED_3
    ? 2
    : -1;
  if (type < 0) return -1;
  columns.eventTypes[row] = type;
  p += 7;

  if (
    view.getInt32(p, true) !== ENTITY_TYPE_0 || view.getInt32(p + 4, true) !== ENTITY_TYPE_4 ||
    view.getInt32(p + 8, true) !== ENTITY_TYPE_8 ||
    view.getInt32(p + 12, true) !== ENTITY_TYPE_12 ||
    m[p + 16] !== quote
  ) return -1;
  p += 17;
  const guess = columns.lastType.length;
  let entityType = guess > 0 && m[p + guess] === quote ? columns.sameType(m, p, guess) : -1;
  let q = p + guess;
  if (entityType < 0) {
    q = m.indexOf(quote, p);
    if (q < 0 || q - p > nameBytesMax) return -1;
    const name = decoder.decode(m.subarray(p, q));
    if (!isEntityType(name)) return -1;
    entityType = columns.typeIndex(name);
  }
  columns.entityTypes[row] = entityType;
  p = q;

  if (end - p < behindTypeBytes) return -1;
  if (
    view.getInt32(p, true) !== ENTITY_ID_0 || view.getInt32(p + 4, true) !== ENTITY_ID_4 ||
    view.getInt32(p + 8, true) !== ENTITY_ID_8 || view.getInt32(p + 11, true) !== ENTITY_ID_11
  ) return -1;
  p += 15;
  if (m[p] === quote) return -1; // empty
  p = copyText(columns.entityIds, row, m, p, end);
  if (p < 0 || end - p < behindIdBytes) return -1;

  if (
    view.getInt32(p, true) !== TIMESTAMP_0 || view.getInt32(p + 4, true) !== TIMESTAMP_4 ||
    view.getInt32(p + 8, true) !== TIMESTAMP_8 || view.getInt16(p + 12, true) !== TIMESTAMP_12
  ) return -1;
  p += 14;
  if (!scanTimestamp(columns.timestamps, row, m, p)) return -1;
  p += 27;

  if (
    view.getInt32(p, true) !== DATA_0 || view.getInt32(p + 4, true) !== DATA_4 ||
    view.getInt16(p + 8, true) !== DATA_8
  ) return -1;
  p += 9;
  const dataEnd = objectEnd(m, p, end);
  if (dataEnd < 0 || end - dataEnd < behindDataBytes) return -1;
  columns.data.setSpan(row, m, view, p, dataEnd);
  p = dataEnd;

  if (
    view.getInt32(p, true) !== USER_ID_0 || view.getInt32(p + 4, true) !== USER_ID_4 ||
    view.getInt32(p + 7, true) !== USER_ID_7
  ) return -1;
  p = scanNullable(columns.userIds, row, m, view, p + 11, end);
  if (p < 0 || end - p < behindUserBytes) return -1;

  if (
    view.getInt32(p, true) !== ORG_ID_0 || view.getInt32(p + 4, true) !== ORG_ID_4 ||
    view.getInt16(p + 8, true) !== ORG_ID_8
  ) return -1;
  p = scanNullable(columns.orgIds, row, m, view, p + 10, end);
  if (p < 0) return -1;

  if (m[p] === comma) {
    // Not among the columns. Only what was updated has them.
    if (type !== 1 || end - p < behindOrgBytes) return -1;
    if (
      view.getInt32(p, true) !== CHANGES_0 || view.getInt32(p + 4, true) !== CHANGES_4 ||
      view.getInt32(p + 8, true) !== CHANGES_8
    ) return -1;
    p = objectEnd(m, p + 11, end);
    if (p < 0) return -1;
  }
  if (m[p] !== closeBrace) return -1;
  p++;
  if (p === end) return p;
  return m[p] === newline ? p + 1 : -1;
}

/** The id's text as 16 bytes. */
function scanId(ids: Uint8Array, to: number, m: Uint8Array, p: number): boolean {
  if (m[p + 8] !== hyphen || m[p + 13] !== hyphen || m[p + 18] !== hyphen || m[p + 23] !== hyphen) {
    return false;
  }
  let bad = 0;
  for (let i = 0; i < 16; i++) {
    const at = p + HEX_AT[i]!;
    const [high, low] = [HEX[m[at]!]!, HEX[m[at + 1]!]!];
    bad |= high | low;
    ids[to + i] = high << 4 | low;
  }
  return bad < 16;
}

/** Copies a text up to its quote and gives what lies behind; -1 where it is not so simple. */
function copyText(
  column: TextColumn,
  row: number,
  m: Uint8Array,
  p: number,
  end: number,
): number {
  column.reserve(row, textBytesMax);
  const to = column.bytes;
  let at = column.offsets[row]!;
  const last = Math.min(end, p + textBytesMax);
  while (p < last) {
    let byte = m[p++]!;
    if (byte === quote) {
      column.offsets[row + 1] = at;
      return p;
    }
    if (byte < 0x20) return -1;
    if (byte === backslash) {
      byte = ESCAPES[m[p++]!] ?? 0;
      if (byte === 0) return -1;
    }
    to[at++] = byte;
  }
  return -1;
}

function scanNullable(
  column: TextColumn,
  row: number,
  m: Uint8Array,
  view: DataView,
  p: number,
  end: number,
): number {
  if (m[p] === quote) {
    column.setValid(row);
    return copyText(column, row, m, p + 1, end);
  }
  if (view.getInt32(p, true) !== NULL) return -1;
  column.setNull(row);
  return p + 4;
}

/** Behind the object that begins at `p`; -1 where it does not end on this line. */
function objectEnd(m: Uint8Array, p: number, end: number): number {
  if (m[p] !== openBrace) return -1;
  let depth = 0;
  for (; p < end; p++) {
    const kind = BETWEEN[m[p]!]!;
    if (kind === 0) continue;
    if (kind === QUOTE) {
      for (p++; p < end; p++) {
        const inner = WITHIN[m[p]!]!;
        if (inner === 0) continue;
        if (inner === QUOTE) break;
        if (inner === LINE_END || m[++p] === newline) return -1;
      }
    } else if (kind === OPEN) depth++;
    else if (kind === LINE_END) return -1;
    else if (--depth === 0) return p + 1;
  }
  return -1;
}

/** `2026-01-01T00:00:00.123456Z` at `p` as microseconds; false where it is none, or no moment. */
function scanTimestamp(to: Int32Array, row: number, m: Uint8Array, p: number): boolean {
  if (
    m[p + 4] !== hyphen || m[p + 7] !== hyphen || m[p + 10] !== letterT || m[p + 13] !== colon ||
    m[p + 16] !== colon || m[p + 19] !== dot || m[p + 26] !== letterZ
  ) return false;
  const year = two(m, p) * 100 + two(m, p + 2);
  const [month, day] = [two(m, p + 5), two(m, p + 8)];
  const [hour, minute, second] = [two(m, p + 11), two(m, p + 14), two(m, p + 17)];
  const fraction = two(m, p + 20) * 10_000 + two(m, p + 22) * 100 + two(m, p + 24);
  if (year < 1 || year > 9999 || hour > 23 || minute > 59 || second > 59 || fraction > 999_999) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  const days = daysSince1970(year, month, day);
  const micros = ((hour * 60 + minute) * 60 + second) * 1e6 + fraction;
  const value = days * 86_400e6 + micros;
  if (Math.abs(value) < 2 ** 53) {
    to[2 * row] = value;
    to[2 * row + 1] = Math.floor(value / 2 ** 32);
  } else {
    const exact = BigInt(days) * 86_400_000_000n + BigInt(micros);
    to[2 * row] = Number(BigInt.asIntN(32, exact));
    to[2 * row + 1] = Number(exact >> 32n);
  }
  return true;
}

/** Two digits; far more than 99 where they are none. */
function two(m: Uint8Array, p: number): number {
  const [tens, ones] = [m[p]! - 48, m[p + 1]! - 48];
  return tens >>> 0 > 9 || ones >>> 0 > 9 ? noDigits : 10 * tens + ones;
}

/** So large that no part of it, however small, keeps a date in range. */
const noDigits = 2 ** 24;

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** By years that begin in March, so that the leap day is a year's last. */
function daysSince1970(year: number, month: number, day: number): number {
  const years = month > 2 ? year : year - 1;
  const months = month > 2 ? month - 3 : month + 9;
  const days = 365 * years + (years >> 2) - Math.floor(years / 100) + Math.floor(years / 400);
  return days + Math.floor((153 * months + 2) / 5) + day - 719_469;
}

/** Writes any event into the slot; the reason where the line is none. */
function parseRow(columns: EventColumns, line: Uint8Array): string | null {
  const event = parseEvent(line);
  if (event instanceof BadEvent) return event.reason;
  const { entityId, userId, orgId } = event;
  const half = [["entity_id", entityId], ["user_id", userId], ["org_id", orgId]]
    .find(([, text]) => text?.isWellFormed() === false);
  if (half) return `${half[0]} holds half a character`;
  return setRow(columns, event);
}

function setRow(columns: EventColumns, event: EntityEvent): string | null {
  const row = columns.rows;
  const time = encoder.encode(event.timestamp);
  if (!scanTimestamp(columns.timestamps, row, time, 0)) {
    return `timestamp is no moment: ${JSON.stringify(event.timestamp)}`;
  }
  columns.ids.subarray(16 * row).setFromHex(event.id.replaceAll("-", ""));
  columns.eventTypes[row] = EVENT_TYPES.indexOf(event.eventType);
  columns.entityTypes[row] = columns.typeIndex(event.entityType);
  columns.entityIds.setText(row, event.entityId);
  columns.data.setText(row, event.data);
  setNullable(columns.userIds, row, event.userId);
  setNullable(columns.orgIds, row, event.orgId);
  return null;
}

function setNullable(column: TextColumn, row: number, text: string | null): void {
  if (text === null) column.setNull(row);
  else column.setText(row, text);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const [quote, backslash, comma, colon, hyphen, dot] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x2e];
const [openBrace, closeBrace, letterT, letterZ] = [0x7b, 0x7d, 0x54, 0x5a];
const [newline, carriageReturn] = [0x0a, 0x0d];

/** Longer keys and users go the long way, so that room for one need not be measured first. */
const textBytesMax = 1024;
const nameBytesMax = 255;

// From there to the line's end, of the shortest event: what may be read without looking.
const leastBytes = 100;
const behindTypeBytes = 60;
const behindIdBytes = 60;
const behindDataBytes = 16;
const behindUserBytes = 14;
const behindOrgBytes = 12;

/** Four bytes of a text as a number that a DataView gives for them. */
function word(text: string, at: number): number {
  return new DataView(encoder.encode(text).buffer).getInt32(at, true);
}

function half(text: string, at: number): number {
  return new DataView(encoder.encode(text).buffer).getInt16(at, true);
}

const [ID_0, ID_3] = [word('{"id":"', 0), word('{"id":"', 3)];
const EVENT_TYPE = '","event_type":"';
const [EVENT_TYPE_0, EVENT_TYPE_4] = [word(EVENT_TYPE, 0), word(EVENT_TYPE, 4)];
const [EVENT_TYPE_8, EVENT_TYPE_12] = [word(EVENT_TYPE, 8), word(EVENT_TYPE, 12)];
const [CREATED_0, CREATED_3] = [word("Created", 0), word("Created", 3)];
const [UPDATED_0, UPDATED_3] = [word("Updated", 0), word("Updated", 3)];
const [DELETED_0, DELETED_3] = [word("Deleted", 0), word("Deleted", 3)];
const ENTITY_TYPE = '","entity_type":"';
const [ENTITY_TYPE_0, ENTITY_TYPE_4] = [word(ENTITY_TYPE, 0), word(ENTITY_TYPE, 4)];
const [ENTITY_TYPE_8, ENTITY_TYPE_12] = [word(ENTITY_TYPE, 8), word(ENTITY_TYPE, 12)];
const ENTITY_ID = '","entity_id":"';
const [ENTITY_ID_0, ENTITY_ID_4] = [word(ENTITY_ID, 0), word(ENTITY_ID, 4)];
const [ENTITY_ID_8, ENTITY_ID_11] = [word(ENTITY_ID, 8), word(ENTITY_ID, 11)];
const TIMESTAMP = ',"timestamp":"'; // the quote before it is the end of the id's text
const [TIMESTAMP_0, TIMESTAMP_4] = [word(TIMESTAMP, 0), word(TIMESTAMP, 4)];
const [TIMESTAMP_8, TIMESTAMP_12] = [word(TIMESTAMP, 8), half(TIMESTAMP, 12)];
const DATA = '","data":{';
const [DATA_0, DATA_4, DATA_8] = [word(DATA, 0), word(DATA, 4), half(DATA, 8)];
const USER_ID = ',"user_id":';
const [USER_ID_0, USER_ID_4, USER_ID_7] = [word(USER_ID, 0), word(USER_ID, 4), word(USER_ID, 7)];
const ORG_ID = ',"org_id":';
const [ORG_ID_0, ORG_ID_4, ORG_ID_8] = [word(ORG_ID, 0), word(ORG_ID, 4), half(ORG_ID, 8)];
const CHANGES = ',"changes":{';
const [CHANGES_0, CHANGES_4, CHANGES_8] = [word(CHANGES, 0), word(CHANGES, 4), word(CHANGES, 8)];
const NULL = word("null", 0);

/** Where the digits of each byte stand in a UUID's text. */
const HEX_AT = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);
const HEX = new Uint8Array(256).fill(0xff);
for (let i = 0; i < 16; i++) {
  HEX[i.toString(16).charCodeAt(0)] = HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

/** What a byte is between texts and within one; 0 is nothing to look at. */
const [QUOTE, OPEN, CLOSE, LINE_END, BACKSLASH] = [1, 2, 3, 4, 5];
const BETWEEN = new Uint8Array(256);
const WITHIN = new Uint8Array(256);
BETWEEN[quote] = WITHIN[quote] = QUOTE;
BETWEEN[newline] = WITHIN[newline] = LINE_END;
BETWEEN[openBrace] = BETWEEN[0x5b] = OPEN;
BETWEEN[closeBrace] = BETWEEN[0x5d] = CLOSE;
WITHIN[backslash] = BACKSLASH;

/** The byte that an escape stands for; 0 where it takes more than one to write or is none. */
const ESCAPES = new Uint8Array(256);
for (const [letter, byte] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"]) {
  ESCAPES[letter!.charCodeAt(0)] = byte!.charCodeAt(0);
}
