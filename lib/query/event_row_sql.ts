/**
 * Columns for ClickHouse's format RawBLOB, which writes values one after the other and nothing
 * between them, so that each row comes out as a `DataRow` of PostgreSQL (`lib/arrow/row_chunk.ts`).
 * What decodes PostgreSQL's rows into Arrow and JSON so decodes ClickHouse's, by the same code; and to
 * ClickHouse it is whole columns of cheap functions.
 */

import type { LeafType } from "./schema.ts";

/** One value of a row, as bytes of PostgreSQL's binary format. */
export interface RowValue {
  readonly sql: string;
  /** Its length where it is always the same, and is never null. */
  readonly bytes: number | null;
  readonly nullable: boolean;
}

/** The select list of rows of these values. */
export function rowColumns(values: readonly RowValue[]): string {
  const columns = new Columns();
  columns.constant("44"); // D
  const fixed = 6 + values.reduce((sum, { bytes }) => sum + 4 + (bytes ?? 0), 0);
  const lengths = values.filter(({ bytes }) => bytes === null).map(lengthSql);
  if (lengths.length === 0) columns.constant(hex(fixed, 4));
  else columns.add(`byteSwap(toInt32(${[String(fixed), ...lengths].join(" + ")}))`);
  columns.constant(hex(values.length, 2));
  for (const value of values) {
    if (value.bytes !== null) {
      columns.constant(hex(value.bytes, 4));
      columns.add(value.sql);
    } else if (value.nullable) {
      columns.add(`byteSwap(ifNull(toInt32(length(${value.sql})), toInt32(-1)))`);
      columns.add(`ifNull(${value.sql}, '')`);
    } else {
      columns.add(`byteSwap(toInt32(length(${value.sql})))`);
      columns.add(value.sql);
    }
  }
  return columns.text();
}

function lengthSql({ sql, nullable }: RowValue): string {
  return nullable ? `ifNull(toInt32(length(${sql})), toInt32(0))` : `toInt32(length(${sql}))`;
}

/** Neighbouring constants are one column. */
class Columns {
  readonly #columns: string[] = [];
  #bytes = "";

  constant(hex: string): void {
    this.#bytes += hex;
  }

  add(sql: string): void {
    this.#flush();
    this.#columns.push(sql);
  }

  text(): string {
    this.#flush();
    return this.#columns.join(", ");
  }

  #flush(): void {
    if (this.#bytes !== "") this.#columns.push(`unhex('${this.#bytes}')`);
    this.#bytes = "";
  }
}

const hex = (number: number, bytes: number) => number.toString(16).padStart(2 * bytes, "0");

/** Days and microseconds from 1970 to 2000, where PostgreSQL's dates begin. */
const epochDays = 10_957;
const epochMicroseconds = "946684800000000";

/** A column's value; `nullable` as ClickHouse has it. */
export function rowValue(sql: string, type: LeafType, nullable: boolean): RowValue {
  const fixed = (sql: string, bytes: number) => ({ sql, bytes, nullable: false });
  switch (type.scalar.kind) {
    case "uuid":
      return fixed(`UUIDToNum(${sql})`, 16);
    case "int8":
      return fixed(`byteSwap(toInt64(${sql}))`, 8);
    case "float8":
      return fixed(`byteSwap(reinterpretAsUInt64(${sql}))`, 8);
    case "date":
      return fixed(`byteSwap(toInt32(toInt32(${sql}) - ${epochDays}))`, 4);
    case "timestamptz":
      return fixed(
        `byteSwap(toUnixTimestamp64Micro(toDateTime64(${sql}, 6, 'UTC')) - ${epochMicroseconds})`,
        8,
      );
    case "text":
    case "json":
      return { sql, bytes: null, nullable };
    default:
      throw new Error(`no value of events is of type ${type.scalar.kind}`);
  }
}

/**
 * PostgreSQL's numeric of scale 6 of a number of millionths, an Int256 that may be null: groups of four
 * digits, two of them behind the point, none of them zero at the beginning.
 */
export function millionthsValue(sql: string): RowValue {
  const groups = `arrayMap(p -> toUInt16(intDiv(abs(v) * 100, p) % 10000), [${POWERS.join(", ")}])`;
  const digits = `arraySlice(${groups}, arrayFirstIndex(d -> d > 0, ${groups}))`;
  const two = (number: string) =>
    `char(bitAnd(bitShiftRight(${number}, 8), 255), bitAnd(${number}, 255))`;
  const text =
    `arrayMap(g -> concat(${two("toUInt16(length(g))")}, ${
      two("toUInt16(bitAnd(toInt32(length(g)) - 3, 65535))")
    }, if(v < 0, '\\x40\\0', '\\0\\0'), ` +
    `'\\0\\x06', arrayStringConcat(arrayMap(d -> ${two("d")}, g))), ` +
    `[if(v = 0, emptyArrayUInt16(), ${digits})])[1]`;
  return {
    sql: `if(isNull(${sql}), NULL, arrayMap(v -> ${text}, [assumeNotNull(${sql})])[1])`,
    bytes: null,
    nullable: true,
  };
}

/** Powers of 10,000, the largest that an Int256 holds with two digits more first. */
const POWERS = Array.from(
  { length: 19 },
  (_, i) => i === 18 ? "toInt256(1)" : `toInt256('${10n ** BigInt(4 * (18 - i))}')`,
);
