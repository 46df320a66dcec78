/**
 * An event in exactly the form in which our publisher writes it, read by a few looks at its text: some
 * 4 us in place of 15 for the general reader, which takes each key and value by itself.
 */

import type { EntityEvent, EventType } from "./entity_event.ts";

/** The event; null where the line is in any other form, or is none: look closer then. */
export function readEventLine(line: Uint8Array): EntityEvent | null {
  let text: string;
  try {
    text = decoder.decode(line);
  } catch {
    return null; // no UTF-8
  }
  // Within a text it would be escaped, so this is the key.
  const key = text.indexOf(',"data":{');
  const head = key < 0 ? null : headForm.exec(text.slice(0, key));
  if (head === null) return null;
  const start = key + ',"data":'.length;
  const end = objectEnd(text, start);
  tailForm.lastIndex = end;
  const tail = end < 0 ? null : tailForm.exec(text);
  if (tail === null) return null;
  const [, id = "", eventType, entityType = "", entityId = "", timestamp = ""] = head;
  const [members, userId = "", orgId = "", hasChanges] = tail;
  const changesStart = end + members.length;
  const changes = hasChanges ? text.slice(changesStart, -1) : null;
  const isOver = changes === null
    ? changesStart === text.length - 1 && text.endsWith("}")
    : eventType === "Updated" && objectEnd(text, changesStart) === text.length - 1 &&
      text.endsWith("}");
  if (!isOver) return null;
  try {
    return {
      id,
      eventType: eventType as EventType,
      entityType,
      entityId: valueOf(entityId) ?? "",
      timestamp,
      data: text.slice(start, end),
      userId: valueOf(userId),
      orgId: valueOf(orgId),
      changes,
    };
  } catch {
    return null; // an escape that does not exist
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const inText = String.raw`(?:[^"\\\u0000-\u001f]|\\.)`;
const headForm = new RegExp(
  String.raw`^\{"id":"([\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12})"` +
    String.raw`,"event_type":"(Created|Updated|Deleted)"` +
    String.raw`,"entity_type":"([_A-Za-z][_0-9A-Za-z]{0,254})","entity_id":("${inText}+")` +
    String.raw`,"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"$`,
);
const tailForm = new RegExp(
  `,"user_id":(null|"${inText}*"),"org_id":(null|"${inText}*")(,"changes":(?=\\{))?`,
  "y",
);

/** Of a text in its quotes, or null. */
function valueOf(json: string): string | null {
  if (json === "null") return null;
  return json.includes("\\") ? JSON.parse(json) as string : json.slice(1, -1);
}

/** Behind the bracket that closes the object; -1 where none does. */
function objectEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const letter = text.charCodeAt(at);
    if (letter === 0x22) {
      at = textEnd(text, at);
      if (at < 0) return -1;
    } else if (letter === 0x7b || letter === 0x5b) depth++;
    else if ((letter === 0x7d || letter === 0x5d) && --depth === 0) return at + 1;
  }
  return -1;
}

/** The closing quote. */
function textEnd(text: string, start: number): number {
  for (let at = start + 1;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return -1;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
    at = end + 1;
  }
}
