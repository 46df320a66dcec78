/**
 * Rows in PostgreSQL's binary format (`lib/arrow/row_chunk.ts`) of values that are here already, so
 * that what reads PostgreSQL's rows reads them too.
 */

import { AppError } from "../errors.ts";
import { RECORD_OID } from "./sql_names.ts";

/** One attribute of a record. */
export interface Attribute {
  readonly oid: number;
  readonly write: () => void;
}

/** Writes rows one behind the other; `TOO_LARGE` where one of them takes more than so many bytes. */
export class BinaryRows {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #rowStart = 0;

  constructor(private readonly bytesMax: number) {}

  get byteLength(): number {
    return this.#at;
  }

  /** What was written; valid until `clear`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  clear(): void {
    this.#at = this.#rowStart = 0;
  }

  row(columns: readonly (() => void)[]): void {
    this.#rowStart = this.#at;
    this.#room(1);
    this.#bytes[this.#at++] = 68;
    const length = this.#at;
    this.#int32(0);
    this.#int16(columns.length);
    for (const write of columns) write();
    this.#view.setInt32(length, this.#at - length);
    this.#checkBytes();
  }

  record(attributes: readonly Attribute[]): void {
    this.#value(() => {
      this.#int32(attributes.length);
      for (const { oid, write } of attributes) {
        this.#int32(oid);
        write();
      }
    });
  }

  /** An array of one dimension; each item writes its own length. */
  array<Item>(oid: number, items: readonly Item[], write: (item: Item) => void): void {
    this.#value(() => {
      this.#arrayHead(oid, items.length);
      for (const item of items) write(item);
    });
  }

  /** An array of records that were written already, one behind the other. */
  records(count: number, bytes: Uint8Array): void {
    this.#value(() => {
      this.#arrayHead(RECORD_OID, count);
      this.#copy(bytes);
    });
  }

  none(): void {
    this.#int32(-1);
  }

  text(text: string): void {
    // A UTF-16 unit takes three bytes at most.
    this.#room(4 + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.#at + 4));
    this.#int32(written);
    this.#at += written;
  }

  boolean(value: boolean): void {
    this.#int32(1);
    this.#room(1);
    this.#bytes[this.#at++] = Number(value);
  }

  int8(value: bigint): void {
    this.#int32(8);
    this.#room(8);
    this.#view.setBigInt64(this.#at, value);
    this.#at += 8;
  }

  uuid(text: string): void {
    const bytes = Uint8Array.fromHex(text.replaceAll("-", ""));
    this.#int32(bytes.length);
    this.#copy(bytes);
  }

  #arrayHead(oid: number, count: number): void {
    this.#int32(count === 0 ? 0 : 1);
    this.#int32(0);
    this.#int32(oid);
    if (count === 0) return;
    this.#int32(count);
    this.#int32(1);
  }

  #value(write: () => void): void {
    const length = this.#at;
    this.#int32(0);
    write();
    this.#view.setInt32(length, this.#at - length - 4);
  }

  #copy(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #int32(value: number): void {
    this.#room(4);
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  #int16(value: number): void {
    this.#room(2);
    this.#view.setInt16(this.#at, value);
    this.#at += 2;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    this.#checkBytes();
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #checkBytes(): void {
    if (this.#at - this.#rowStart <= this.bytesMax) return;
    throw new AppError("TOO_LARGE", `a row of more than ${this.bytesMax} bytes`, {
      hint: "select fewer fields, or raise the limit row_bytes_max",
    });
  }
}

const encoder = new TextEncoder();
