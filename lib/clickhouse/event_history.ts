/**
 * Events as ClickHouse holds them, in the order of their positions, as columns.
 *
 * The table is sorted by type and time, so sorting all by position would hold all of it before the
 * first row. So it is read in ranges of positions, each sorted for itself: the index by position
 * finds a range's rows, and a range is as wide as makes about the wanted number of rows. What types
 * are called ClickHouse says once, before; then they are numbers.
 */

import { ColumnBuffers, type EventFilter, type EventRows } from "../arrow/event_rows.ts";
import { readIpc, type ReadMessage } from "../arrow/ipc_reader.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { AskOptions, Clickhouse } from "./client.ts";
import { EVENTS_DATA } from "./tables.ts";

export interface HistoryOptions {
  readonly clickhouse: Clickhouse;
  readonly limits: Pick<Limits, "batchRowsMax" | "eventStepRowsMax" | "eventStepBytesMax">;
}

export interface HistoryRange {
  readonly filter: EventFilter;
  /** Exclusive. */
  readonly after: bigint;
  /** Inclusive; null: what is there now. */
  readonly upTo: bigint | null;
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

/** Reads a range; each event once, with bounded memory here and there. */
export async function* readHistory(
  options: HistoryOptions,
  range: HistoryRange,
): AsyncGenerator<EventRows, undefined> {
  const found = await survey(options, range);
  if (found === null) return undefined;
  const { eventStepRowsMax } = options.limits;
  const { lowest, highest, rows, types } = found;
  const positionsPerRow = (highest - lowest) / rows + 1n;
  // Small at first, so that the reader has something to do while ClickHouse sorts the next.
  let rowsMax = Math.min(firstStepRows, eventStepRowsMax);
  let width = positionsPerRow * BigInt(rowsMax);
  for (let after = lowest - 1n; after < highest;) {
    const upTo = after + width < highest ? after + width : highest;
    let [last, count] = [after, 0];
    try {
      for await (const some of readStep(options, range, { after, upTo, rowsMax, types })) {
        count += some.rows;
        last = some.position[some.rows - 1] ?? last;
        yield some;
      }
    } catch (error) {
      if (!isTooMuch(error) || rowsMax === 1) throw error;
      // Large events: what was given stays, and the rest comes in smaller steps.
      after = last;
      rowsMax = Math.ceil(rowsMax / 4);
      width = width / 4n + 1n;
      continue;
    }
    const isFull = count === rowsMax;
    width = isFull ? last - after + 1n : count * 2 > rowsMax ? width : width * widerBy;
    after = isFull ? last : upTo;
    const larger = Math.min(rowsMax * growth, eventStepRowsMax);
    width *= BigInt(Math.ceil(larger / rowsMax));
    rowsMax = larger;
  }
  return undefined;
}

const firstStepRows = 20_000;
const growth = 4;
/** Gaps between epochs are 2^54 wide: a few steps of nothing lead over them. */
const widerBy = 16n;

interface Survey {
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly rows: bigint;
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

interface Step {
  readonly after: bigint;
  readonly upTo: bigint;
  readonly rowsMax: number;
  readonly types: readonly string[];
}

async function* readStep(
  { clickhouse, limits }: HistoryOptions,
  { filter, signal }: HistoryRange,
  { after, upTo, rowsMax, types }: Step,
): AsyncGenerator<EventRows, undefined> {
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
      // Repeats of an event have other positions, so the index alone must not choose among them.
      use_skip_indexes_if_final: 1,
      use_skip_indexes_if_final_exact_mode: 1,
      output_format_arrow_low_cardinality_as_dictionary: 0,
    },
  };
  // The condition inside the sort's own select, so that names mean the table's columns.
  const sql = `SELECT ${COLUMNS} FROM (
  SELECT * FROM ${EVENTS_DATA} FINAL WHERE ${where} ORDER BY position LIMIT ${rowsMax}
) ORDER BY position`;
  for await (const message of readIpc(clickhouse.arrow(sql, ask), ARROW_COLUMNS)) {
    if (message.rows > 0) yield toRows(message, types);
  }
  return undefined;
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

/** Of memory, or of time while a slow reader took what it gave. */
function isTooMuch(error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  return /Code: (241|159|396)\./.test(error.message);
}
