/** A plan and its rows -> the bytes of a GraphQL answer, `{"data":{...}}`. Knows no socket. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import type { Unrepresentable } from "../config.ts";
import type { AppError, ErrorEntry } from "../errors.ts";
import { JsonRows } from "../json/json_rows.ts";
import type { RootField, RowsRoot } from "../query/query_engine.ts";

const encoder = new TextEncoder();

/**
 * Writes the document root by root, in selection order, while chunks come in. Whatever happens, it
 * can be closed as valid JSON: by `end()`, or by `fail()` with the errors. The bytes that it gives
 * are valid until it is asked for the next, or `release()` is called.
 */
export class JsonDocument {
  private readonly roots: readonly RootField[];
  private readonly options: { readonly unrepresentable: Unrepresentable };
  /** Index of the root that is being written. */
  private at = -1;
  private current: { readonly root: RowsRoot; readonly rows: JsonRows } | null = null;
  /** Whose last bytes may still be in use. */
  private closed: JsonRows[] = [];
  private rowsOfClosedRoots = 0;
  /** Text that comes before the next bytes. */
  private text = '{"data":{';
  private pieces: Uint8Array[] = [];

  constructor(roots: readonly RootField[], unrepresentable: Unrepresentable) {
    this.roots = roots;
    this.options = { unrepresentable };
  }

  /** Rows of root fields written so far. */
  get rows(): number {
    return this.rowsOfClosedRoots + (this.current?.rows.rows ?? 0);
  }

  /** The bytes that this chunk adds. When it throws, `fail()` gives the rows before the bad one. */
  push(chunk: RowChunk): Uint8Array[] {
    this.releaseClosed();
    while (this.current?.root.statement !== chunk.statement) {
      this.close();
      if (!this.open()) {
        throw new Error(`statement ${chunk.statement} gave rows out of the order of the roots`);
      }
    }
    const { root, rows } = this.current;
    if (root.kind === "row" && rows.rows + rowsIn(chunk) > 1) {
      throw new Error(`the statement of the single object ${root.name} gave several rows`);
    }
    rows.push(chunk);
    this.take(rows);
    return this.given();
  }

  /** The rest of the document, all rows having come. */
  end(): Uint8Array[] {
    do this.close(); while (this.open());
    this.text += "}}";
    return this.given();
  }

  /** The rest of the document where no more rows come: what was not read is null, errors follow. */
  fail(entries: readonly ErrorEntry[]): Uint8Array[] {
    this.close();
    for (this.at++; this.at < this.roots.length; this.at++) {
      const root = this.roots[this.at]!;
      this.text += this.key(root) + (root.kind === "value" ? JSON.stringify(root.value) : "null");
    }
    this.text += `},"errors":${JSON.stringify(entries)}}`;
    return this.given();
  }

  /** Gives back the room that the document was written in; no bytes of it are valid any more. */
  release(): void {
    this.current?.rows.release();
    this.releaseClosed();
  }

  /**
   * Where an error belongs: the root, and the place within its rows or the row that would be next. A
   * value that PostgreSQL itself found unfit may be of any row, one that no condition lets pass too.
   */
  placeOf(error: AppError): readonly (string | number)[] {
    if (!this.current) return error.path ?? [];
    const { root, rows } = this.current;
    // Within rows a path begins with the row's index, which a single object has not.
    const path = error.path ?? (error.code === "UNREPRESENTABLE" ? [] : [rows.rows]);
    return [root.name, ...(root.kind === "rows" ? path : path.slice(1))];
  }

  private key(root: RootField): string {
    return (this.at > 0 ? "," : "") + JSON.stringify(root.name) + ":";
  }

  /** Goes on to the next root; false when there is none. */
  private open(): boolean {
    const root = this.roots[++this.at];
    if (!root) return false;
    this.text += this.key(root);
    if (root.kind === "value") this.text += JSON.stringify(root.value);
    else {
      this.current = { root, rows: new JsonRows(root.fields, this.options) };
      if (root.kind === "rows") this.text += "[";
    }
    return true;
  }

  private close(): void {
    if (!this.current) return;
    const { root, rows } = this.current;
    this.take(rows);
    if (root.kind === "rows") this.text += "]";
    else if (rows.rows === 0) this.text += "null";
    this.rowsOfClosedRoots += rows.rows;
    this.closed.push(rows);
    this.current = null;
  }

  private releaseClosed(): void {
    for (const rows of this.closed) rows.release();
    this.closed = [];
  }

  private take(rows: JsonRows): void {
    if (rows.byteLength === 0) return;
    this.flush();
    this.pieces.push(rows.take());
  }

  private given(): Uint8Array[] {
    this.flush();
    const pieces = this.pieces;
    this.pieces = [];
    return pieces;
  }

  private flush(): void {
    if (this.text === "") return;
    this.pieces.push(encoder.encode(this.text));
    this.text = "";
  }
}

function rowsIn({ bytes, start, end }: RowChunk): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let rows = 0;
  for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) rows++;
  return rows;
}
