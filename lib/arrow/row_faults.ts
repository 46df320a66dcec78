/** What generated decoders throw: each error names the column and the row. */

import { AppError, SchemaChanged } from "../errors.ts";
import type { ColumnKind } from "./column_types.ts";
import type { ResultField } from "./result_field.ts";
import { textBytesMax, writeNumeric } from "./write_text.ts";

/** Where a value stands in a row; generated code names it by its index in a table. */
export interface Place {
  readonly id: number;
  readonly field: ResultField;
  /** Names from the row down; null stands for a list's index. */
  readonly path: readonly (string | null)[];
  /** Ids of the lists around it, outermost first. */
  readonly lists: readonly number[];
  /** The variable that counts values at this place: `r` for the row itself, or a list's `m`. */
  readonly index: string;
}

/**
 * How many such numbers became null in this process, on any read. One that does not change in a read's
 * time says that the read had none.
 */
export const misfits = { count: 0 };

/** Thrown by generated code, never on the way of a good row. */
export interface RowFaults {
  refused(id: number, row: number, indexes: number[], b: Uint8Array, q: number): AppError;
  /** What is refused becomes null; throws nothing. */
  nulled(id: number, b: Uint8Array, q: number): void;
  absent(id: number, row: number, indexes: number[]): AppError;
  unknownLabel(
    id: number,
    row: number,
    indexes: number[],
    b: Uint8Array,
    q: number,
    l: number,
  ): AppError;
  malformed(id: number, row: number): AppError;
  malformedRow(row: number): AppError;
}

/** The errors of one result's places. */
export function rowFaults(places: readonly Place[]): RowFaults {
  const column = (id: number) => places[id]!.path.filter((name) => name !== null).join(".");
  const path = (id: number, row: number, indexes: number[]) => {
    let next = 0;
    return [row, ...places[id]!.path.map((name) => name ?? indexes[next++] ?? 0)];
  };
  return {
    refused(id, row, indexes, b, q) {
      const { field } = places[id]!;
      const text = seen(field, b, q);
      const cause = isFiniteNumber(field, b, q)
        ? new SchemaChanged(`column ${column(id)} may have another precision and scale`)
        : undefined;
      return new AppError(
        "UNREPRESENTABLE",
        `column ${column(id)} of row ${row + 1} holds ${text}`,
        {
          hint: "leave such rows out by a filter, or set FRAISEQL_UNREPRESENTABLE=null",
          path: path(id, row, indexes),
          ...cause && { cause },
        },
      );
    },
    nulled(id, b, q) {
      if (isFiniteNumber(places[id]!.field, b, q)) misfits.count++;
    },
    absent(id, row, indexes) {
      return new SchemaChanged(
        `column ${column(id)} of row ${row + 1} is null, though the schema says it never is`,
        { path: path(id, row, indexes) },
      );
    },
    unknownLabel(id, row, indexes, b, q, l) {
      const label = new TextDecoder().decode(b.subarray(q, q + l));
      return new SchemaChanged(
        `column ${column(id)} of row ${row + 1} holds ${JSON.stringify(label)}, ` +
          `which the enum did not have when the schema was read`,
        { path: path(id, row, indexes) },
      );
    },
    malformed(id, row) {
      return new SchemaChanged(`column ${column(id)} of row ${row + 1} is not of the planned type`);
    },
    malformedRow(row) {
      return new SchemaChanged(`row ${row + 1} has not the planned columns`);
    },
  };
}

/**
 * A finite number that its planned type cannot hold: the column's type may have been changed, which
 * only the catalog tells, or the value is one of a sum that outgrew what Arrow ends at, of a foreign
 * table, whose server may send anything, or of a scale that a schema file declares.
 */
function isFiniteNumber(field: ResultField, b: Uint8Array, q: number): boolean {
  if (field.kind !== "scalar" || field.type.kind !== "decimal") return false;
  // The sign's other values are NaN and the infinities.
  return (b[q + 4]! & 0x80) === 0;
}

/** The refused value in words, and what cannot hold it. */
function seen(field: ResultField, b: Uint8Array, q: number): string {
  if (field.kind !== "scalar") return "an array of more than one dimension, which no List holds";
  const type = field.type;
  if (type.kind === "decimal") {
    return `${numericStart(b, q)}, which Decimal128(${type.precision},${type.scale}) cannot hold`;
  }
  const high = (b[q]! << 24) | (b[q + 1]! << 16);
  const infinity = high < 0 ? "-infinity" : "infinity";
  const said: Partial<Record<ColumnKind, string>> = {
    date: `${infinity}, which Date32 cannot hold`,
    time: "24:00:00, which Time64(us) cannot hold",
    timestamp: `${infinity} or a year above 294246, which Timestamp(us) cannot hold`,
    timestamptz: `${infinity} or a year above 294246, which Timestamp(us) cannot hold`,
  };
  return said[type.kind] ?? "a value that cannot be represented";
}

/** A numeric's text, cut after what a message can show. */
function numericStart(b: Uint8Array, q: number): string {
  const weight = (b[q + 2]! << 24 >> 16) | b[q + 3]!;
  const scale = b[q + 6]! << 8 | b[q + 7]!;
  const out = new Uint8Array(4 * Math.max(weight + 1, 1) + scale + textBytesMax.integer);
  const text = new TextDecoder().decode(out.subarray(0, writeNumeric(out, 0, b, q)));
  return text.length <= 80 ? text : `${text.slice(0, 80)}... (${text.length} digits)`;
}
