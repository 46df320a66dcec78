/**
 * Compressed bodies of Arrow's IPC messages: buffer by buffer, each behind its length.
 * https://arrow.apache.org/docs/format/Columnar.html#compression
 */

import { constants, zstdCompressSync } from "node:zlib";
import { lz4FrameBytesMax, Lz4Frames } from "./lz4.ts";

/** The codecs of Arrow's Message.fbs by the names that clients use. */
export const COMPRESSIONS = ["lz4", "zstd"] as const;
export type Compression = typeof COMPRESSIONS[number];

/** Compresses the bodies of one stream's messages; its buffer is used again for each. */
export class BodyCompressor {
  /** `CompressionType` in Message.fbs: LZ4_FRAME is 0, ZSTD is 1. */
  readonly codec: number;
  private readonly frames: Lz4Frames | null;
  private out = new Uint8Array(0);
  private view = new DataView(this.out.buffer);
  private end = 0;

  constructor(compression: Compression) {
    this.codec = compression === "lz4" ? 0 : 1;
    this.frames = compression === "lz4" ? new Lz4Frames() : null;
  }

  /** Forgets the last body. */
  begin(): void {
    this.end = 0;
  }

  /**
   * Appends a buffer, padded to 8 bytes, and gives its length without the padding. One that would
   * grow is left as it is, which the length -1 says; an empty one stays empty.
   */
  add(buffer: Uint8Array): number {
    if (buffer.length === 0) return 0;
    const start = this.end;
    this.room(start + prefixBytes + lz4FrameBytesMax(buffer.length) + 8);
    const end = buffer.length < worthBytesMin ? 0 : this.compress(buffer, start + prefixBytes);
    const isSmaller = end > 0 && end - (start + prefixBytes) < buffer.length;
    this.view.setBigInt64(start, isSmaller ? BigInt(buffer.length) : -1n, true);
    if (!isSmaller) this.out.set(buffer, start + prefixBytes);
    const length = isSmaller ? end - start : prefixBytes + buffer.length;
    this.end = (start + length + 7) & ~7;
    this.out.fill(0, start + length, this.end);
    return length;
  }

  /** The body; its bytes are valid until the next `begin`. */
  body(): Uint8Array {
    return this.out.subarray(0, this.end);
  }

  /** Where the compressed bytes end; 0 where they are too many. */
  private compress(buffer: Uint8Array, at: number): number {
    if (this.frames) return this.frames.write(buffer, this.out, at);
    const bytes = zstdCompressSync(buffer, zstdOptions);
    if (bytes.length >= buffer.length) return 0;
    this.out.set(bytes, at);
    return at + bytes.length;
  }

  private room(bytes: number): void {
    if (bytes <= this.out.length) return;
    const out = new Uint8Array(Math.max(bytes, this.out.length * 2));
    out.set(this.out.subarray(0, this.end));
    this.out = out;
    this.view = new DataView(out.buffer);
  }
}

const prefixBytes = 8;

/** The frame alone takes 20 bytes; what a shorter buffer could save is not worth the call. */
const worthBytesMin = 64;

/** The quickest of its ordinary levels: higher ones take twice the time for a tenth of the bytes. */
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
