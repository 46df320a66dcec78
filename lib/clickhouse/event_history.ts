/**
 * Events as ClickHouse holds them, in the order of their positions, as columns.
 *
 * The table is sorted by type and time, so sorting all by position would hold all of it before the
 * first row. So it is read in steps, ranges of positions whose rows the index by position finds,
 * each sorted for itself; `event_steps.ts` says how wide. What types are called ClickHouse says once,
 * before; then they are numbers.
 */

import { ColumnBuffers, type EventFilter, type EventRows } from "../arrow/event_rows.ts";
import { readIpc, type ReadMessage } from "../arrow/ipc_reader.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { AskOptions, Clickhouse } from "./client.ts";
import {
  type Extent,
  firstStep,
  nextStep,
  type Step,
  type StepLimits,
  type Taken,
} from "./event_steps.ts";
import { EVENTS_DATA, ORG_GROUP } from "./tables.ts";

export interface HistoryOptions {
  readonly clickhouse: Clickhouse;
  readonly limits: StepLimits & Pick<Limits, "batchRowsMax" | "eventStepBytesMax">;
}

export interface HistoryRange {
  readonly filter: EventFilter;
  /** Exclusive. */
  readonly after: bigint;
  /** Inclusive; null: what is there now. */
  readonly upTo: bigint | null;
  /** No more rows than that; null: all. */
  readonly limit: number | null;
  readonly signal: AbortSignal;
}

/** The highest position of all events; null where there is none. */
export async function highestPosition(
  clickhouse: Clickhouse,
  signal: AbortSignal,
): Promise<bigint | null> {
  const [row] = await clickhouse.rows<{ rows: string; highest: string }>(
    `SELECT count() AS rows, max(position) AS highest FROM ${EVENTS_DATA}`,
    { signal, settings: { output_format_json_quote_64bit_integers: 1 } },
  );
  return row && row.rows !== "0" ? BigInt(row.highest) : null;
}

/**
 * Reads a range; each event once, with bounded memory here and there. A step is read to its end
 * before its rows are given, and the next one meanwhile: so no statement stays open for a reader who
 * is slow or has stopped, and a fast one does not wait for each.
 */
export async function* readHistory(
  options: HistoryOptions,
  range: HistoryRange,
): AsyncGenerator<EventRows, undefined> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([range.signal, leaving.signal]);
  const asked = { ...range, signal };
  const found = await survey(options, asked);
  if (found === null) return undefined;
  let left = range.limit ?? Infinity;
  const read = (step: Step | null) => {
    if (step === null || left <= 0) return null;
    const rowsMax = Math.min(step.rowsMax, left);
    const reading = readStep(options, asked, { ...step, rowsMax }, found.types);
    reading.catch(() => {}); // told when it is asked for
    return reading;
  };
  let step: Step | null = firstStep(found, options.limits);
  let reading = read(step);
  try {
    while (step && reading) {
      const { parts, ...taken } = await reading;
      left -= taken.rows;
      step = nextStep(step, taken, found.highest, options.limits);
      reading = read(step);
      // Let go of one by one, as the reader takes them.
      for (let part = parts.shift(); part; part = parts.shift()) yield part;
    }
  } finally {
    leaving.abort();
    await reading?.catch(() => {}); // it was left
  }
  return undefined;
}

interface Survey extends Extent {
  readonly types: readonly string[];
}

async function survey(
  { clickhouse }: HistoryOptions,
  range: HistoryRange,
): Promise<Survey | null> {
  const { where, params } = conditions(range);
  const [row] = await clickhouse.rows<
    { lowest: string; highest: string; count: string; types: string[] }
  >(
    `SELECT min(position) AS lowest, max(position) AS highest, count() AS count,
       arraySort(groupUniqArray(toString(entity_type))) AS types
     FROM ${EVENTS_DATA} WHERE ${where}`,
    {
      params,
      signal: range.signal,
      settings: { output_format_json_quote_64bit_integers: 1 },
    },
  );
  if (!row || row.count === "0") return null;
  return {
    lowest: BigInt(row.lowest),
    highest: BigInt(row.highest),
    rows: BigInt(row.count),
    types: row.types,
  };
}

/** Not a parameter of an array, whose texts servers read with other escapes. */
const list = (name: string) => `splitByChar('\\x01', {${name}:String})`;
/** In no name of a type. */
const separator = "\x01";

const EVENT_TYPES = ["Created", "Updated", "Deleted"];

/** Whatever the table's own types are. */
const COLUMNS = `toString(event_id) AS event_id,
  toInt32(indexOf(${list("eventTypes")}, toString(event_type)) - 1) AS event_type,
  toInt32(indexOf(${list("entityTypes")}, toString(entity_type)) - 1) AS entity_type,
  toString(entity_id) AS entity_id,
  toInt64(toUnixTimestamp64Micro(timestamp)) AS timestamp,
  toString(data) AS data,
  CAST(user_id AS Nullable(String)) AS user_id,
  CAST(org_id AS Nullable(String)) AS org_id,
  toUInt64(position) AS position`;

const ARROW_COLUMNS = [
  "event_id: Utf8",
  "event_type: Int32",
  "entity_type: Int32",
  "entity_id: Utf8",
  "timestamp: Int64",
  "data: Utf8",
  "user_id: Utf8",
  "org_id: Utf8",
  "position: Uint64",
];

/** The first rows of a range, fewer where they pass what may be held. */
async function readStep(
  options: HistoryOptions,
  { filter, signal }: HistoryRange,
  { after, within, rowsMax }: Step,
  types: readonly string[],
): Promise<Taken & { readonly parts: EventRows[] }> {
  const { clickhouse, limits } = options;
  const upTo = await endOf(options, { filter, after, upTo: within, signal }, rowsMax);
  const { where, params } = conditions({ filter, after, upTo });
  const ask: AskOptions = {
    signal,
    params: {
      ...params,
      eventTypes: EVENT_TYPES.join(separator),
      entityTypes: types.join(separator),
    },
    settings: {
      max_block_size: limits.batchRowsMax,
      // Arrow's offsets have 32 bits, so no block may reach 2 GiB.
      max_memory_usage: limits.eventStepBytesMax,
      max_bytes_before_external_sort: 0,
      max_bytes_ratio_before_external_sort: 0,
      do_not_merge_across_partitions_select_final: 1,
      // Repeats of an event have other positions, so the index by position must not choose here.
      use_skip_indexes_if_final: 0,
      output_format_arrow_low_cardinality_as_dictionary: 0,
    },
  };
  // Repeats have the same key, so the rows of the keys that the index by position finds are all that
  // FINAL has to look at. The keys are told as the table is sorted, its group between type and time:
  // without it every group of a type is looked into for the times of all others. The conditions
  // stand in a select of their own, so that names mean the table's columns.
  const keys = `entity_type, ${ORG_GROUP}, timestamp`;
  const sql = `SELECT ${COLUMNS} FROM (
  SELECT * FROM ${EVENTS_DATA} FINAL WHERE ${where} AND (${keys}) IN (
    SELECT ${keys} FROM ${EVENTS_DATA} WHERE ${where}
  )
) ORDER BY position`;
  const parts: EventRows[] = [];
  let [rows, bytes] = [0, 0];
  const cut = () => ({ parts, rows, bytes, upTo: parts.at(-1)?.position.at(-1) ?? after });
  try {
    for await (const message of readIpc(clickhouse.arrow(sql, ask), ARROW_COLUMNS)) {
      if (message.rows === 0) continue;
      parts.push(toRows(message, types));
      rows += message.rows;
      bytes += message.buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (bytes > limits.eventHeldBytesMax) return { ...cut(), isCut: true };
    }
  } catch (error) {
    // Large events: what was given stays, and the rest comes in smaller steps.
    if (!isTooMuch(error)) throw error;
    if (rowsMax === 1) throw tooLarge(error, limits.eventStepBytesMax);
    return { ...cut(), isCut: true };
  }
  return { parts, rows, bytes, upTo, isCut: false };
}

/** The position of the last of so many rows in a range; its end where there are not so many. */
async function endOf(
  { clickhouse }: HistoryOptions,
  range: Pick<HistoryRange, "filter" | "after" | "signal"> & { readonly upTo: bigint },
  rowsMax: number,
): Promise<bigint> {
  const { where, params } = conditions(range);
  const [row] = await clickhouse.rows<{ count: string; last: string }>(
    `SELECT count() AS count, max(position) AS last FROM (
  SELECT position FROM ${EVENTS_DATA} WHERE ${where} ORDER BY position LIMIT ${rowsMax}
)`,
    { params, signal: range.signal },
  );
  return row && Number(row.count) === rowsMax ? BigInt(row.last) : range.upTo;
}

function conditions(
  { filter, after, upTo }: Pick<HistoryRange, "filter" | "after" | "upTo">,
): { where: string; params: Record<string, string> } {
  const { entityType, start, end } = filter;
  const all: [condition: string, name: string, value: string | undefined][] = [
    ["position > {after:UInt64}", "after", String(after)],
    ["position <= {upTo:UInt64}", "upTo", upTo?.toString()],
    ["entity_type = {entityType:String}", "entityType", entityType ?? undefined],
    [`timestamp >= ${moment("start")}`, "start", start?.toString()],
    [`timestamp < ${moment("end")}`, "end", end?.toString()],
  ];
  const given = all.filter(([, , value]) => value !== undefined);
  return {
    where: given.map(([condition]) => condition).join(" AND "),
    params: Object.fromEntries(given.map(([, name, value]) => [name, value ?? ""])),
  };
}

const moment = (name: string) => `fromUnixTimestamp64Micro({${name}:Int64}, 'UTC')`;

function toRows(message: ReadMessage, types: readonly string[]): EventRows {
  const columns = new ColumnBuffers(message);
  return {
    rows: message.rows,
    eventId: columns.texts(0),
    eventType: columns.numbers(Int32Array),
    entityType: columns.numbers(Int32Array),
    entityId: columns.texts(3),
    timestamp: columns.numbers(BigInt64Array),
    data: columns.texts(5),
    userId: columns.texts(6),
    orgId: columns.texts(7),
    position: columns.numbers(BigUint64Array),
    eventTypes: EVENT_TYPES,
    entityTypes: types,
  };
}

/** Of memory, of time, or of bytes in a result. */
function isTooMuch(error: unknown): error is AppError {
  return error instanceof AppError && /Code: (241|159|396)\./.test(error.message);
}

/** Of one event; that ClickHouse as a whole has too little memory passes. */
function tooLarge(error: AppError, bytesMax: number): AppError {
  if (!/query memory limit/i.test(error.message)) return error;
  return new AppError("TOO_LARGE", `to read the next event takes more than ${bytesMax} bytes`, {
    hint: "raise limits.event_step_bytes_max, up to the memory that ClickHouse gives a query",
    cause: error,
  });
}
