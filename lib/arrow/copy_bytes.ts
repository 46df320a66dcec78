/** Copies short runs of bytes: what most texts in a database are. */

/** Longer ones the engine copies faster, for the price of a call and a view of the bytes. */
export const shortBytesMax = 160;

/**
 * Copies `n` bytes from `from[q]` to `to[p]`, eight at a time: at 26 bytes four times as fast as byte
 * by byte, or as `set` of a subarray (`deno task bench encoders`).
 */
export function copyShort(to: DataView, p: number, from: DataView, q: number, n: number): void {
  const end = p + n;
  for (const last = end - 8; p <= last; p += 8, q += 8) {
    to.setInt32(p, from.getInt32(q, true), true);
    to.setInt32(p + 4, from.getInt32(q + 4, true), true);
  }
  if (p <= end - 4) {
    to.setInt32(p, from.getInt32(q, true), true);
    p += 4;
    q += 4;
  }
  while (p < end) to.setUint8(p++, from.getUint8(q++));
}
