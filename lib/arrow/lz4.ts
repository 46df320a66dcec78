/**
 * LZ4 frames, written by hand: what npm has of them is native, slow or left alone for years.
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 */

/** Magic number, version 1 with blocks that stand alone, blocks of up to 4 MiB, checksum of both. */
const frameHeader = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73);
const blockBytesMax = 4 * 1024 * 1024;
/** In a block's length: the block is not compressed. */
const isPlain = 0x80000000;

/** Bytes that a frame of so many bytes takes at most. */
export function lz4FrameBytesMax(length: number): number {
  return frameHeader.length + length + 4 * (Math.ceil(length / blockBytesMax) + 1);
}

/** Makes frames one after the other; keeps a table of 64 KiB from one to the next. */
export class Lz4Frames {
  /** Where each hash was seen last, counted from `base`: what is below is of earlier blocks. */
  private readonly seen = new Int32Array(1 << hashBits);
  private base = 1;

  /** Writes the frame of `from` at `at`, where `lz4FrameBytesMax` bytes are free; gives its end. */
  write(from: Uint8Array, target: Uint8Array, at: number): number {
    const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    target.set(frameHeader, at);
    let end = at + frameHeader.length;
    for (let start = 0; start < from.length; start += blockBytesMax) {
      const stop = Math.min(start + blockBytesMax, from.length);
      if (this.base > positionsMax) {
        this.seen.fill(0);
        this.base = 1;
      }
      const plainEnd = end + 4 + (stop - start);
      // A block as long as its bytes is sent as it is, so no room beyond them is needed.
      const blockEnd = compressBlock(
        from,
        start,
        stop,
        target,
        end + 4,
        plainEnd,
        this.seen,
        this.base,
      );
      this.base += stop - start;
      if (blockEnd > 0) {
        view.setUint32(end, blockEnd - (end + 4), true);
        end = blockEnd;
      } else {
        view.setUint32(end, isPlain + (stop - start), true);
        target.set(from.subarray(start, stop), end + 4);
        end = plainEnd;
      }
    }
    view.setUint32(end, 0, true);
    return end + 4;
  }
}

const hashBits = 14;

/** Positions are counted on in 32 bits; before they would not fit the table is cleared. */
const positionsMax = 2 ** 31 - 1 - 2 * blockBytesMax;

/** The format's rules: the last match begins 12 bytes before the end, the last 5 are literals. */
const lastMatchBytes = 12;
const lastLiterals = 5;
const matchBytesMin = 4;
const offsetMax = 65_535;

/**
 * One block of `b` from `start` to `stop`, written to `out` from `o` and no further than `oMax`;
 * gives where it ends, or 0 where it would be no shorter than the bytes themselves.
 *
 * Hot loop: greedy, one candidate for each hash, longer strides where nothing is found for a while.
 */
function compressBlock(
  b: Uint8Array,
  start: number,
  stop: number,
  out: Uint8Array,
  o: number,
  oMax: number,
  seen: Int32Array,
  base: number,
): number {
  const matchStop = stop - lastMatchBytes;
  const extendStop = stop - lastLiterals;
  const shift = base - start;
  let anchor = start;
  let p = start;
  let misses = 64;
  while (p <= matchStop) {
    const word = b[p]! | b[p + 1]! << 8 | b[p + 2]! << 16 | b[p + 3]! << 24;
    const h = Math.imul(word, -1640531535) >>> (32 - hashBits);
    let m = seen[h]! - shift;
    seen[h] = p + shift;
    if (
      m < start || p - m > offsetMax ||
      (b[m]! | b[m + 1]! << 8 | b[m + 2]! << 16 | b[m + 3]! << 24) !== word
    ) {
      p += misses++ >> 6;
      continue;
    }
    misses = 64;
    while (p > anchor && m > start && b[p - 1] === b[m - 1]) {
      p--;
      m--;
    }
    const literals = p - anchor;
    let q = p + matchBytesMin;
    const gap = p - m;
    while (q < extendStop && b[q] === b[q - gap]) q++;
    let length = q - p - matchBytesMin;
    // A token, a byte for each 255 of both lengths, the literals, the offset.
    if (o + literals + (literals / 255 | 0) + (length / 255 | 0) + 8 > oMax) return 0;

    const token = o++;
    if (literals >= 15) {
      let rest = literals - 15;
      for (; rest >= 255; rest -= 255) out[o++] = 255;
      out[o++] = rest;
      out[token] = 15 << 4;
    } else out[token] = literals << 4;
    if (literals < 32) { for (let i = anchor; i < p; i++) out[o++] = b[i]!; }
    else {
      out.set(b.subarray(anchor, p), o);
      o += literals;
    }
    out[o++] = gap & 255;
    out[o++] = gap >> 8;
    if (length >= 15) {
      out[token]! |= 15;
      for (length -= 15; length >= 255; length -= 255) out[o++] = 255;
      out[o++] = length;
    } else out[token]! |= length;
    p = anchor = q;
  }

  const literals = stop - anchor;
  if (o + literals + (literals / 255 | 0) + 2 > oMax) return 0;
  if (literals >= 15) {
    out[o++] = 15 << 4;
    let rest = literals - 15;
    for (; rest >= 255; rest -= 255) out[o++] = 255;
    out[o++] = rest;
  } else out[o++] = literals << 4;
  out.set(b.subarray(anchor, stop), o);
  return o + literals;
}
