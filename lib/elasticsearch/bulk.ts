/** One request that stores many events, and what its answer says of each. */

import { AppError } from "../errors.ts";
import type { IndexedEvent } from "../search/store.ts";
import type { Elasticsearch } from "./client.ts";
import { documentOf } from "./documents.ts";
import { type ElasticsearchFault, faultText, passingTypes } from "./errors.ts";
import type { Server } from "./server.ts";

/** An event on its way: where it stands in what the caller gave, and where it goes. */
export interface Item {
  readonly row: number;
  readonly event: IndexedEvent;
  readonly index: string;
}

/** What became of the items of one request; the others are stored. */
export interface BulkResult {
  /** To be sent once more, with the reason. */
  readonly again: readonly { readonly item: Item; readonly reason: string }[];
  readonly refused: readonly { readonly row: number; readonly reason: string }[];
}

/** A body, and the items in it. */
export interface BulkBody {
  readonly items: readonly Item[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bodies of so many bytes at most; a larger single event has one of its own. */
export function* bulkBodies(
  items: readonly Item[],
  kind: Server["kind"],
  bytesMax: () => number,
): Generator<BulkBody, void> {
  let [from, units] = [0, 0];
  let lines: string[] = [];
  for (const [at, { event, index }] of items.entries()) {
    // What is there already stays as it is: an event never changes.
    const head = `{"create":{"_index":"${index}","_id":"${event.eventId}"}}\n`;
    const line = `${head}${documentOf(event, kind)}\n`;
    if (lines.length > 0 && units + line.length > bytesMax()) {
      yield* encoded(items.slice(from, at), lines, bytesMax());
      [from, units, lines] = [at, 0, []];
    }
    lines.push(line);
    units += line.length;
  }
  if (lines.length > 0) yield* encoded(items.slice(from), lines, bytesMax());
}

/** All in one go, which takes a quarter of the time; most often a letter is a byte. */
function* encoded(
  items: readonly Item[],
  lines: readonly string[],
  bytesMax: number,
): Generator<BulkBody, void> {
  const bytes = encoder.encode(lines.join(""));
  if (bytes.length <= bytesMax || items.length === 1) {
    yield { items, bytes };
    return;
  }
  const half = items.length >> 1;
  yield* encoded(items.slice(0, half), lines.slice(0, half), bytesMax);
  yield* encoded(items.slice(half), lines.slice(half), bytesMax);
}

const encoder = new TextEncoder();

/** Sends it. Throws `TOO_LARGE` where the body is, and `UNAVAILABLE` where all may be tried again. */
export async function sendBulk(
  elasticsearch: Elasticsearch,
  { items, bytes }: BulkBody,
  signal: AbortSignal,
): Promise<BulkResult> {
  const path = "/_bulk?filter_path=errors,items.*.status,items.*.error";
  const answer = await elasticsearch.json<BulkAnswer>("POST", path, { body: bytes, signal });
  return readBulk(items, answer);
}

export interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly Readonly<Record<string, ItemAnswer>>[];
}

interface ItemAnswer {
  readonly status?: number;
  readonly error?: ElasticsearchFault;
}

/** What the answer says of each item. */
export function readBulk(items: readonly Item[], answer: BulkAnswer): BulkResult {
  const answers = answer.items ?? [];
  if (answers.length !== items.length) {
    throw new AppError(
      "UNAVAILABLE",
      `Elasticsearch answered for ${answers.length} of ${items.length} events`,
    );
  }
  const again: { item: Item; reason: string }[] = [];
  const refused: { row: number; reason: string }[] = [];
  if (answer.errors === false) return { again, refused };
  for (const [at, item] of items.entries()) {
    const { status, error } = answers[at]?.["create"] ?? {};
    // It says nothing of the event, which must not be parked for that.
    if (status === undefined) {
      throw new AppError("UNAVAILABLE", `Elasticsearch did not say what became of an event`);
    }
    if (status >= 200 && status < 300 || status === 409) continue;
    const reason = error ? faultText(error) : `status ${status} without a reason`;
    const type = error?.type ?? "";
    if (type === "security_exception") throw new AppError("FORBIDDEN", reason, { hint: grant });
    if (againStatuses.includes(status) || passingTypes.includes(type)) again.push({ item, reason });
    else refused.push({ row: item.row, reason });
  }
  return { again, refused };
}

/** Not those that an event itself may have caused: it would be sent for ever. */
const againStatuses: readonly number[] = [429, 502, 503, 504];

const grant = "grant the user or key what it needs: docs/elasticsearch.md";
