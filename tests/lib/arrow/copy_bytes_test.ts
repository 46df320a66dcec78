/** Every length, at every offset: what lies around is left alone. */

import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { copyShort, shortBytesMax } from "../../../lib/arrow/copy_bytes.ts";

Deno.test("copyShort() copies every length from any offset to any other, and nothing more", () => {
  const from = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  for (let n = 0; n <= shortBytesMax; n++) {
    for (const [p, q] of [[0, 0], [1, 3], [7, 2], [4, 9]] as const) {
      const to = new Uint8Array(256).fill(1);
      copyShort(new DataView(to.buffer), p, new DataView(from.buffer), q, n);
      const expected = new Uint8Array(256).fill(1);
      expected.set(from.subarray(q, q + n), p);
      deepEqual(to, expected, `${n} bytes from ${q} to ${p}`);
    }
  }
});
