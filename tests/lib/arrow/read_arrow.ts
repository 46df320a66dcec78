/**
 * Reads an Arrow stream by npm:apache-arrow, a reader that is not ours, into plain values that lose
 * nothing: its own getters make doubles of dates and times.
 */

import {
  type Data,
  DataType,
  DateUnit,
  type Decimal,
  type Dictionary,
  RecordBatchReader,
  type Schema,
  type Struct,
  Type,
  type Vector,
} from "apache-arrow";

/** Numbers as text where a double may not hold them, NaN and infinities by name, bytes in hex. */
export type Plain = string | number | boolean | null | Plain[] | { [name: string]: Plain };

export interface ReadStream {
  readonly schema: Schema;
  readonly rows: { [name: string]: Plain }[];
  /** Rows of each batch. */
  readonly batches: number[];
}

export function readArrow(stream: Uint8Array): ReadStream {
  const reader = RecordBatchReader.from(stream).open();
  // The reader forgets it at the end.
  const schema = reader.schema;
  const rows: { [name: string]: Plain }[] = [];
  const batches: number[] = [];
  for (const batch of reader) {
    batches.push(batch.numRows);
    for (let i = 0; i < batch.numRows; i++) {
      rows.push(structAt(batch.data, i));
    }
  }
  return { schema, rows, batches };
}

function structAt(data: Data<Struct>, i: number): { [name: string]: Plain } {
  return Object.fromEntries(
    data.type.children.map((field, k) => [field.name, at(data.children[k]!, i)]),
  );
}

/** The i-th value. */
function at(data: Data<DataType>, i: number): Plain {
  if (data.nullCount > 0 && !data.getValid(i)) return null;
  const { type, values } = data;
  const words = values as unknown as { [i: number]: number | bigint };
  switch (type.typeId) {
    case Type.Bool:
      return (values[i >> 3] >> (i & 7) & 1) === 1;
    case Type.Int:
    case Type.Time:
    case Type.Timestamp: {
      const value = words[i]!;
      return typeof value === "bigint" ? value.toString() : value;
    }
    case Type.Date:
      if (!DataType.isDate(type) || type.unit !== DateUnit.DAY) throw new Error("not Date32");
      return Number(words[i]);
    case Type.Float: {
      const x = Number(words[i]);
      return Object.is(x, -0) ? "-0" : Number.isFinite(x) ? x : String(x);
    }
    case Type.Decimal:
      return decimalAt(values, i, (type as unknown as Decimal).scale);
    case Type.Utf8:
      return new TextDecoder("utf-8", { fatal: true }).decode(bytesAt(data, i));
    case Type.Binary:
      return bytesAt(data, i).toHex();
    case Type.Dictionary: {
      if (!(values instanceof Int16Array)) throw new Error("not Int16");
      const dictionary = (data as Data<Dictionary>).dictionary as Vector;
      return dictionary.get(values[i]!) as string;
    }
    case Type.List: {
      const [from, to] = [data.valueOffsets[i]!, data.valueOffsets[i + 1]!];
      return Array.from({ length: to - from }, (_, k) => at(data.children[0]!, from + k));
    }
    case Type.Struct:
      return structAt(data as Data<Struct>, i);
    default:
      throw new Error(`a type that we do not write: ${type}`);
  }
}

function bytesAt(data: Data<DataType>, i: number): Uint8Array {
  return (data.values as Uint8Array).subarray(data.valueOffsets[i], data.valueOffsets[i + 1]);
}

function decimalAt(values: Uint32Array, i: number, scale: number): string {
  let value = 0n;
  for (let k = 3; k >= 0; k--) value = value << 32n | BigInt(values[4 * i + k]! >>> 0);
  value = BigInt.asIntN(128, value);
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return value < 0n ? `-${text}` : text;
}
