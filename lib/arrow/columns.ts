/**
 * Growable column buffers of one result: made once, filled row by row by generated code
 * (`columns_code.ts`), read as Arrow's buffers, and used again for the next batch.
 */

import { AppError } from "../errors.ts";
import type { ColumnKind } from "./column_types.ts";
import type { ResultField } from "./result_field.ts";
import type { Place } from "./row_faults.ts";

/** Which buffers a column has; the width of `fixed` values is in bits. */
export type Layout =
  | { readonly kind: "bits" }
  | { readonly kind: "fixed"; readonly bits: 16 | 32 | 64 | 128 }
  | { readonly kind: "bytes" }
  | { readonly kind: "constant"; readonly value: Uint8Array }
  | { readonly kind: "list" }
  | { readonly kind: "struct" };

const LAYOUTS: Readonly<Record<ColumnKind, Layout>> = {
  bool: { kind: "bits" },
  int2: { kind: "fixed", bits: 16 },
  int4: { kind: "fixed", bits: 32 },
  int8: { kind: "fixed", bits: 64 },
  float4: { kind: "fixed", bits: 32 },
  float8: { kind: "fixed", bits: 64 },
  decimal: { kind: "fixed", bits: 128 },
  numeric: { kind: "bytes" },
  text: { kind: "bytes" },
  uuid: { kind: "bytes" },
  json: { kind: "bytes" },
  jsonb: { kind: "bytes" },
  bytea: { kind: "bytes" },
  date: { kind: "fixed", bits: 32 },
  time: { kind: "fixed", bits: 64 },
  timestamp: { kind: "fixed", bits: 64 },
  timestamptz: { kind: "fixed", bits: 64 },
  interval: { kind: "bytes" },
  enum: { kind: "fixed", bits: 16 },
};

/** The buffers of a field's column. */
export function layoutOf(field: ResultField): Layout {
  switch (field.kind) {
    case "scalar":
      return LAYOUTS[field.type.kind];
    case "object":
      return { kind: "struct" };
    case "list":
      return { kind: "list" };
    case "constant":
      return { kind: "constant", value: new TextEncoder().encode(field.value) };
    default:
      return field satisfies never;
  }
}

/** Whether a column has a validity bitmap. */
export function isNullable(field: ResultField): boolean {
  return field.kind !== "constant" && field.nullable;
}

/** Bits that each value takes in all buffers but `data`. */
export function bitsPerValue(field: ResultField): number {
  const layout = layoutOf(field);
  const validity = isNullable(field) ? 1 : 0;
  switch (layout.kind) {
    case "bits":
      return validity + 1;
    case "fixed":
      return validity + layout.bits;
    case "bytes":
    case "list":
      return validity + 32;
    case "constant":
      return 32 + 8 * layout.value.length;
    case "struct":
      return validity;
    default:
      return layout satisfies never;
  }
}

/** Rows that fit at first; a query for one object takes no more. */
const rowsAtFirst = 64;

/** Bytes of text that fit at first. */
const dataBytesAtFirst = 1024;

const nothing = new Uint8Array(0);
const noWords = new Int32Array(0);

/** The buffers of one column. The generated code reads and writes them directly. */
export class Column {
  readonly layout: Layout;
  readonly nullable: boolean;
  valid = nothing;
  nulls = 0;
  bits = nothing;
  fixed: Int16Array<ArrayBuffer> | Int32Array<ArrayBuffer> = noWords;
  offsets = noWords;
  data = nothing;
  /** Of `data`. */
  view = new DataView(nothing.buffer);
  /** Bytes used of `data`. */
  bytes = 0;
  /** Elements of all lists in a list's column. */
  count = 0;
  /** Elements for which the element's columns have room. */
  capacity = 0;

  constructor(readonly place: Place, private readonly columns: Columns) {
    this.layout = layoutOf(place.field);
    this.nullable = isNullable(place.field);
    if (this.layout.kind === "bytes") this.setData(new Uint8Array(dataBytesAtFirst));
  }

  /** Makes room for `count` values, a multiple of 64. */
  room(count: number): void {
    if (this.nullable) this.valid = filled(this.valid, count / 8);
    switch (this.layout.kind) {
      case "bits":
        this.bits = enlarged(this.bits, count / 8);
        break;
      case "fixed": {
        const words = this.layout.bits === 16
          ? new Int16Array(count)
          : new Int32Array(count * this.layout.bits / 32);
        words.set(this.fixed.subarray(0, words.length));
        this.fixed = words;
        break;
      }
      case "bytes":
      case "list":
        this.offsets = moreOffsets(this.offsets, count);
        break;
      case "constant":
        this.repeat(this.layout.value, count);
        break;
      case "struct":
        break;
      default:
        this.layout satisfies never;
    }
  }

  /** Makes `data` hold `bytes`, the ones used included; the row is the one being read. */
  grow(bytes: number, row: number): Uint8Array<ArrayBuffer> {
    this.columns.allow(bytes, row);
    return this.setData(enlarged(this.data, Math.max(bytes, this.data.length * 2)));
  }

  setData(data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.view = new DataView(data.buffer);
    return this.data = data;
  }

  /** Makes the element's columns hold `count` elements. */
  growItems(count: number, row: number): number {
    this.columns.allow(count * this.columns.bitsPerItem(this.place.id) / 8, row);
    let capacity = Math.max(this.capacity, rowsAtFirst);
    while (capacity < count) capacity *= 2;
    for (const column of this.columns.itemsOf(this.place.id)) column.room(capacity);
    return this.capacity = capacity;
  }

  reset(): void {
    this.nulls = this.bytes = this.count = 0;
    this.valid.fill(255);
    this.bits.fill(0);
  }

  /** The bitmap with no bit set behind its values. */
  validity(values: number): Uint8Array {
    const bits = values & 7;
    if (this.nulls > 0 && bits > 0) this.valid[values >> 3]! &= (1 << bits) - 1;
    return this.valid;
  }

  /** Takes back what lies behind the first `count` values. */
  truncate(count: number): void {
    if (this.layout.kind === "bytes") this.bytes = this.offsets[count]!;
    if (this.layout.kind === "list") this.count = this.offsets[count]!;
    if (this.nulls > 0) this.nulls = zeros(this.valid, count);
  }

  private repeat(value: Uint8Array, count: number): void {
    this.offsets = new Int32Array(count + 2);
    this.data = new Uint8Array((count * value.length + 7) & ~7);
    for (let i = 0; i < count; i++) {
      this.data.set(value, i * value.length);
      this.offsets[i + 1] = (i + 1) * value.length;
    }
  }
}

/** The columns of a result, by the ids of their places. */
export class Columns {
  readonly all: readonly Column[];
  /** Rows in the batch being filled. */
  rows = 0;
  /** Rows of the batches before it. */
  rowsBefore = 0;
  /** Rows for which there is room. */
  capacity = 0;
  /** Set by the generated code when the batch has no room for the row at hand. */
  full = false;
  /** Upper bound of the body with the row at hand; used where code is cut into several functions. */
  size = 0;
  private readonly items = new Map<string, Column[]>();

  constructor(places: readonly Place[], private readonly limits: ColumnLimits) {
    this.all = places.map((place) => new Column(place, this));
    for (const column of this.all) {
      const siblings = this.items.get(column.place.index) ?? [];
      siblings.push(column);
      this.items.set(column.place.index, siblings);
    }
    for (const column of this.all) if (column.layout.kind === "list") column.growItems(1, 0);
  }

  /** Columns that have one value for each element of a list. */
  itemsOf(list: number): readonly Column[] {
    return this.items.get(`m${list}`) ?? [];
  }

  bitsPerItem(list: number): number {
    return this.itemsOf(list).reduce((sum, column) => sum + bitsPerValue(column.place.field), 0);
  }

  growRows(): number {
    const capacity = this.capacity === 0
      ? rowsAtFirst
      : Math.min(this.capacity * 2, (this.limits.batchRowsMax + 63) & ~63);
    for (const column of this.items.get("r") ?? []) column.room(capacity);
    return this.capacity = capacity;
  }

  /** Values of a column in the batch. */
  valuesOf(column: Column): number {
    const list = column.place.lists.at(-1);
    return list === undefined ? this.rows : this.all[list]!.count;
  }

  /** Throws when a row needs more than any row may. */
  allow(bytes: number, row: number): void {
    // The rows before it in the batch take no more than a whole batch.
    if (bytes > this.limits.rowBytesMax + this.limits.batchBytesMax) throw this.tooLarge(row);
  }

  tooLarge(row: number): AppError {
    return new AppError(
      "TOO_LARGE",
      `row ${row + 1} takes more than the ${this.limits.rowBytesMax} bytes of one Arrow message`,
      {
        hint: "select fewer or shorter columns, or raise the limit flight_row_bytes_max",
        path: [row],
      },
    );
  }

  /** Takes back the rows behind `rows`. */
  truncate(rows: number): void {
    this.rows = rows;
    // In order of ids: a list comes before its elements.
    for (const column of this.all) column.truncate(this.valuesOf(column));
  }

  /** Begins the next batch with the same buffers, without those that one large row had made. */
  reset(): void {
    this.rowsBefore += this.rows;
    this.rows = 0;
    this.full = false;
    for (const column of this.all) {
      const bytesKept = 2 * this.limits.batchBytesMax;
      if (column.layout.kind === "bytes" && column.data.length > bytesKept) {
        column.setData(new Uint8Array(dataBytesAtFirst));
      }
      if (column.capacity * this.bitsPerItem(column.place.id) / 8 > bytesKept) {
        column.capacity = 0;
        column.growItems(1, 0);
      }
      column.reset();
    }
  }
}

export interface ColumnLimits {
  readonly batchRowsMax: number;
  /** A batch is closed before its body would pass this, once it has a row. */
  readonly batchBytesMax: number;
  /** Body of a batch whose only row is above `batchBytesMax`. */
  readonly rowBytesMax: number;
}

function enlarged(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const more = new Uint8Array((length + 7) & ~7);
  more.set(bytes.subarray(0, more.length));
  return more;
}

/** A bitmap whose new bits are set. */
function filled(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const more = enlarged(bytes, length);
  more.fill(255, Math.min(bytes.length, length));
  return more;
}

/** Offsets of `count` values, and one more, and one so that the length is a multiple of 8 bytes. */
function moreOffsets(offsets: Int32Array, count: number): Int32Array<ArrayBuffer> {
  const more = new Int32Array(count + 2);
  more.set(offsets.subarray(0, more.length));
  return more;
}

/** Bits that are 0 among the first `count`. */
function zeros(bitmap: Uint8Array, count: number): number {
  let found = 0;
  for (let i = 0; i < count; i++) if ((bitmap[i >> 3]! >> (i & 7) & 1) === 0) found++;
  return found;
}
