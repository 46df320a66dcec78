/**
 * Messages as they lie in the socket's buffer: nothing is copied, and nothing is read that nobody
 * asked for.
 */

import { AppError } from "../errors.ts";
import { ConnectionLost, protocolError } from "./errors.ts";
import { FROM_SERVER } from "./messages.ts";
import type { Stream } from "./stream.ts";

export class Wire {
  /** The buffer; what is unread lies from `start` to `end`. Another one while a message is large. */
  bytes: Uint8Array = new Uint8Array(bufferBytes);
  start = 0;
  end = 0;
  /** The body of the message that `tryNext` found; valid until the next `fill`. */
  bodyStart = 0;
  bodyEnd = 0;
  /** Bytes ever received. */
  received = 0;
  #reading: Promise<void> | null = null;
  /** Bytes of a row that are yet to come and that nobody wants. */
  #skip = 0;

  constructor(readonly stream: Stream, readonly rowBytesMax: number) {}

  /** Somebody waits for bytes. */
  get isReading(): boolean {
    return this.#reading !== null;
  }

  /** Letter of the next message when it is whole, else 0. */
  tryNext(): number {
    const { bytes, start, end } = this;
    if (end - start < headerBytes) return 0;
    const length = this.#lengthAt(start);
    if (end - start <= length) return 0;
    this.bodyStart = start + headerBytes;
    this.bodyEnd = this.start = start + 1 + length;
    return bytes[start] ?? 0;
  }

  /** Letter of the next message, once it is whole. */
  async next(): Promise<number> {
    for (;;) {
      const letter = this.tryNext();
      if (letter !== 0) return letter;
      await this.fill();
    }
  }

  /** Letter of the next whole message that is no row; rows of any size are passed over. */
  tryNextButRows(): number {
    for (;;) {
      const skipped = Math.min(this.#skip, this.end - this.start);
      this.start += skipped;
      this.#skip -= skipped;
      if (this.end - this.start < headerBytes) return 0;
      if (!isRow(this.bytes[this.start])) return this.tryNext();
      this.#skip = messageLength(this.bytes, this.start) + 1;
    }
  }

  /**
   * Offset behind the last whole row that lies unread one after the other; `start` when the next
   * message is none. The hottest loop of reading: five bytes looked at for each row.
   */
  endOfRows(): number {
    const { bytes, end } = this;
    let at = this.start;
    while (end - at >= headerBytes && bytes[at] === FROM_SERVER.dataRow) {
      const length = int32(bytes, at + 1);
      // Too short is for `tryNext` to refuse, too long as well.
      if (length < 4 || end - at <= length) break;
      at += length + 1;
    }
    return at;
  }

  body(): Uint8Array {
    return this.bytes.subarray(this.bodyStart, this.bodyEnd);
  }

  /** A number in the body of the message that `tryNext` found. */
  bodyInt32(offset: number): number {
    return int32(this.bytes, this.bodyStart + offset);
  }

  /**
   * Reads once behind what is unread, which moves to the buffer's front: offsets of before are void.
   * Asked for twice, it is one read.
   */
  fill(): Promise<void> {
    return this.#reading ??= this.#read();
  }

  async #read(): Promise<void> {
    try {
      this.#makeRoom();
      const count = await this.stream.read(
        this.end === 0 ? this.bytes : this.bytes.subarray(this.end),
      );
      if (count === null) throw new ConnectionLost();
      this.end += count;
      this.received += count;
    } catch (error) {
      throw error instanceof AppError ? error : new ConnectionLost(error);
    } finally {
      this.#reading = null;
    }
  }

  #makeRoom(): void {
    const { bytes, start, end } = this;
    const unread = end - start;
    const whole = unread < headerBytes ? 0 : this.#lengthAt(start) + 1;
    const needed = Math.max(bufferBytes, whole);
    if (needed !== bytes.length && (needed > bytes.length || needed === bufferBytes)) {
      // One large message makes the buffer grow, the first small one after it gives it back.
      this.bytes = new Uint8Array(needed);
      this.bytes.set(bytes.subarray(start, end));
    } else if (start > 0 && unread > 0) {
      bytes.copyWithin(0, start, end);
    }
    this.start = 0;
    this.end = unread;
  }

  #lengthAt(at: number): number {
    const length = messageLength(this.bytes, at);
    if (length > this.rowBytesMax) throw tooLarge(this.bytes[at], length, this.rowBytesMax);
    return length;
  }
}

/** PostgreSQL sends 8 KiB at a time; more than 64 KiB made reading no faster. */
const bufferBytes = 64 * 1024;

/** The letter and the length. */
const headerBytes = 5;

const LETTERS: ReadonlySet<number> = new Set(Object.values(FROM_SERVER));

/** The length of a message, its letter not counted. */
function messageLength(bytes: Uint8Array, at: number): number {
  const letter = bytes[at] ?? 0;
  const length = int32(bytes, at + 1);
  if (length < 4 || !LETTERS.has(letter)) {
    throw protocolError(`a message of letter ${letter} and length ${length}`);
  }
  return length;
}

function isRow(letter: number | undefined): boolean {
  return letter === FROM_SERVER.dataRow || letter === FROM_SERVER.copyData;
}

function tooLarge(letter: number | undefined, length: number, max: number): AppError {
  if (!isRow(letter)) return protocolError(`a message of ${length} bytes that is no row`);
  return new AppError("TOO_LARGE", `a row has ${length} bytes, more than ${max}`, {
    hint: "ask for fewer or smaller columns, or raise the limit row_bytes_max",
  });
}

function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
