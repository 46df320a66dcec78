/** Binary rows of PostgreSQL -> JSON objects, as bytes. The last stage of a query over HTTP. */

import { compiled } from "../arrow/compiled.ts";
import type { ResultField } from "../arrow/result_field.ts";
import type { RowChunk } from "../arrow/row_chunk.ts";
import { AppError } from "../errors.ts";
import { jsonCode, type JsonTarget, type WriteRows } from "./json_code.ts";

export interface JsonRowsOptions {
  /** What becomes of a value that the formats cannot hold: an error, or null where it may be null. */
  readonly unrepresentable: "error" | "null";
  /** JSON that may lie here at once, a row above is `TOO_LARGE`; `jsonBytesMax` when absent. */
  readonly bytesMax?: number;
}

const jsonCodeOf = compiled(jsonCode);

/** Room at first: some twenty rows. */
const bytesAtFirst = 16 * 1024;

/** Room that is kept from one `take` to the next: about what a chunk of rows becomes. */
const bytesKeptMax = 1024 * 1024;

/**
 * A row has `rowBytesMax` at most, but a text of control characters is six times as long in JSON, and
 * a numeric of ten bytes can have 131,072 digits.
 */
const jsonBytesMax = 1024 * 1024 * 1024;

/**
 * Collects one JSON object a row, with commas between the rows and none around them.
 *
 * @example
 * ```ts
 * import { JsonRows } from "../json/json_rows.ts";
 *
 * const rows = new JsonRows([], { unrepresentable: "error" });
 * const row = Uint8Array.of(68, 0, 0, 0, 6, 0, 0); // DataRow without columns
 * rows.push({ statement: 0, bytes: row, start: 0, end: row.length });
 * console.assert(new TextDecoder().decode(rows.take()) === "{}");
 * ```
 */
export class JsonRows {
  private readonly writeRows: WriteRows;
  private readonly target: Target;

  constructor(fields: readonly ResultField[], options: JsonRowsOptions) {
    this.writeRows = jsonCodeOf(fields, options.unrepresentable);
    this.target = new Target(options.bytesMax ?? jsonBytesMax);
  }

  /**
   * Appends the rows of a chunk. When it throws (`UNREPRESENTABLE`, `TOO_LARGE`, `UNAVAILABLE` where
   * rows are not of the planned shape), the rows before the one it names are there and whole.
   */
  push(chunk: RowChunk): void {
    const { bytes, start, end } = chunk;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.target.open();
    this.writeRows(this.target, bytes, view, start, end);
  }

  /** Rows pushed from the beginning. */
  get rows(): number {
    return this.target.rows;
  }

  /** Bytes that `take` would give. */
  get byteLength(): number {
    return this.target.end;
  }

  /** The whole rows since the last time; the bytes are valid until the next `push` or `release`. */
  take(): Uint8Array<ArrayBuffer> {
    return this.target.take();
  }

  /** Lends the room to another; to be called when the last bytes taken are not needed any more. */
  release(): void {
    this.target.release();
  }
}

/** A buffer and its view. */
interface Sheet {
  readonly out: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

function newSheet(bytes: number): Sheet {
  const out = new Uint8Array(bytes);
  return { out, view: new DataView(out.buffer) };
}

/** Lent from a document's first row to its `release`: requests that follow each other need one. */
const spares: Sheet[] = [];

/** What is kept for those who come at once, of `bytesKeptMax` at most each. */
const sparesMax = 4;

const noSheet = newSheet(0);

class Target implements JsonTarget {
  out = noSheet.out;
  view = noSheet.view;
  end = 0;
  at = 0;
  rows = 0;

  constructor(private readonly bytesMax: number) {}

  /** Takes a buffer where it has none, or one that a large row had made. */
  open(): void {
    const { length } = this.out;
    if (length > 0 && (this.end > 0 || length <= bytesKeptMax)) return;
    const spare = spares.at(-1);
    if (spare && spare.out.length <= this.bytesMax) this.use(spares.pop()!);
    else this.use(newSheet(Math.min(bytesAtFirst, this.bytesMax)));
  }

  grow(o: number, more: number, row: number): Uint8Array {
    const needed = o + more;
    if (needed > this.bytesMax) {
      throw new AppError(
        "TOO_LARGE",
        `row ${row + 1} takes more than ${this.bytesMax} bytes of JSON`,
        {
          hint: "select fewer or shorter columns",
          path: [row],
        },
      );
    }
    const sheet = newSheet(Math.min(this.bytesMax, Math.max(needed, this.out.length * 2)));
    sheet.out.set(this.out.subarray(0, o));
    this.use(sheet);
    return sheet.out;
  }

  take(): Uint8Array<ArrayBuffer> {
    const { out, end } = this;
    this.end = 0;
    return out.subarray(0, end);
  }

  release(): void {
    const { out, view } = this;
    this.end = 0;
    this.use(noSheet);
    if (out.length > 0 && out.length <= bytesKeptMax && spares.length < sparesMax) {
      spares.push({ out, view });
    }
  }

  private use({ out, view }: Sheet): void {
    this.out = out;
    this.view = view;
  }
}
