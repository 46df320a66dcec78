/** Frames as gRPC has them, in buffers that nobody overwrites too early. */

import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import { OutgoingBuffers } from "../../flight/outgoing_buffers.ts";
import { wholeMessage } from "../../flight/protobuf.ts";

const message = (byte: number, length: number) => wholeMessage(new Uint8Array(length).fill(byte));

Deno.test("OutgoingBuffers gives a message behind its prefix", () => {
  const { bytes } = new OutgoingBuffers().frame(message(7, 300));
  deepEqual([...bytes.subarray(0, 5)], [0, 0, 0, 1, 44]);
  deepEqual([...bytes.subarray(5)], Array(300).fill(7));
});

Deno.test("OutgoingBuffers leaves a frame alone until it is released", () => {
  const buffers = new OutgoingBuffers();
  const first = buffers.frame(message(1, 100));
  const second = buffers.frame(message(2, 100));
  notEqual(first.bytes.buffer, second.bytes.buffer);
  equal(first.bytes[99], 1);
  first.release();
  const third = buffers.frame(message(3, 50));
  equal(third.bytes.buffer, first.bytes.buffer);
  equal(third.bytes.length, 55);
  equal(second.bytes[99], 2);
});

Deno.test("OutgoingBuffers takes a larger buffer for a larger message", () => {
  const buffers = new OutgoingBuffers();
  buffers.frame(message(1, 10)).release();
  const { bytes } = buffers.frame(message(2, 5_000_000));
  equal(bytes.length, 5_000_005);
  equal(bytes.at(-1), 2);
});
