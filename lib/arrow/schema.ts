/** A result's shape as an Arrow schema. (only door to npm:apache-arrow) */

import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  List,
  Schema,
  Struct,
  Table,
  tableToIPC,
  TimeMicrosecond,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow";
import type { ScalarType } from "./column_types.ts";
import { flatFields, type ResultField } from "./result_field.ts";

/** Messages of schemas without metadata: making one takes longer than reading a row. */
const messages = new WeakMap<readonly ResultField[], Uint8Array<ArrayBuffer>>();

/**
 * The schema as the flatbuffer `Message` that `FlightData.data_header` wants. The bytes are shared by
 * all who ask for the same fields: not to be written to.
 */
export function arrowSchemaMessage(
  fields: readonly ResultField[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const isPlain = Object.keys(metadata).length === 0;
  const known = isPlain ? messages.get(fields) : undefined;
  if (known) return known;
  const ids = { next: 0 };
  const schema = new Schema(
    flatFields(fields).map((field) => arrowField(field, field.name, ids)),
    new Map(Object.entries(metadata)),
  );
  // A table without rows is the schema and the end of the stream; the message stands behind its
  // continuation and length.
  const stream = tableToIPC(new Table(schema), "stream");
  const length = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  const message = stream.slice(8, 8 + length);
  if (isPlain) messages.set(fields, message);
  return message;
}

/** Enum columns in the order of their dictionaries' ids, wherever they stand. */
export function enumTypes(fields: readonly ResultField[]): (readonly string[])[] {
  return fields.flatMap((field) => {
    switch (field.kind) {
      case "scalar":
        return field.type.kind === "enum" ? [field.type.labels] : [];
      case "object":
        return enumTypes(field.fields);
      case "list":
        return enumTypes([field.item]);
      case "constant":
        return [];
      default:
        return field satisfies never;
    }
  });
}

/** Dictionaries are numbered in the order of `enumTypes`. */
interface DictionaryIds {
  next: number;
}

function arrowField(field: ResultField, name: string, ids: DictionaryIds): Field {
  switch (field.kind) {
    case "scalar":
      return new Field(
        name,
        scalarType(field.type, ids),
        field.nullable,
        fieldMetadata(field.type),
      );
    case "object": {
      const fields = field.fields.map((inner) => arrowField(inner, inner.name, ids));
      return new Field(name, new Struct(fields), field.nullable);
    }
    case "list":
      return new Field(name, new List(arrowField(field.item, "item", ids)), field.nullable);
    case "constant":
      return new Field(name, new Utf8(), false);
    default:
      return field satisfies never;
  }
}

function fieldMetadata(type: ScalarType): Map<string, string> | null {
  if (type.kind !== "json" && type.kind !== "jsonb") return null;
  return new Map([["ARROW:extension:name", "arrow.json"], ["ARROW:extension:metadata", ""]]);
}

function scalarType(type: ScalarType, ids: DictionaryIds): DataType {
  switch (type.kind) {
    case "bool":
      return new Bool();
    case "int2":
      return new Int16();
    case "int4":
      return new Int32();
    case "int8":
      return new Int64();
    case "float4":
      return new Float32();
    case "float8":
      return new Float64();
    case "decimal":
      return new Decimal(type.scale, type.precision, 128);
    case "numeric":
    case "text":
    case "uuid":
    case "json":
    case "jsonb":
    case "interval":
      return new Utf8();
    case "bytea":
      return new Binary();
    case "date":
      return new DateDay();
    case "time":
      return new TimeMicrosecond();
    case "timestamp":
      return new TimestampMicrosecond();
    case "timestamptz":
      return new TimestampMicrosecond("UTC");
    case "enum":
      return new Dictionary(new Utf8(), new Int16(), ids.next++);
    default:
      return type satisfies never;
  }
}
