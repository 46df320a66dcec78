/** The buffers in which messages go out, each used again once HTTP/2 has taken its bytes. */

import { Buffer } from "node:buffer";
import type { Message } from "./line.ts";

/** gRPC's prefix of a message: not compressed, and its length. */
const prefixBytes = 5;

/** Room at first, and more than needed by a quarter: batches of one stream differ little. */
const bytesAtFirst = 16 * 1024;
const spareRoom = 1.25;

/** One that is being sent, and one that is being filled. */
const keptMax = 2;

/**
 * Of one call. A new buffer for each batch of 2 MiB would be garbage that V8 collects late: 20 to
 * 30 MB more at the peak, and a page fault for every 4 KiB.
 */
export class OutgoingBuffers {
  readonly #free: Buffer[] = [];

  /** The message with its prefix; `release` takes the bytes back when they are not needed any more. */
  frame(message: Message): { readonly bytes: Buffer; release(): void } {
    const { byteLength } = message;
    const needed = prefixBytes + byteLength;
    let buffer = this.#free.pop();
    if (buffer === undefined || buffer.length < needed) {
      buffer = Buffer.allocUnsafeSlow(Math.ceil(Math.max(needed, bytesAtFirst) * spareRoom));
    }
    const taken = buffer;
    const bytes = taken.subarray(0, needed);
    bytes[0] = 0;
    bytes.writeUInt32BE(byteLength, 1);
    message.writeTo(bytes, prefixBytes);
    return {
      bytes,
      release: () => {
        if (this.#free.length < keptMax) this.#free.push(taken);
      },
    };
  }
}
