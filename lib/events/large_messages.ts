/**
 * Large messages through the NATS client without copies. By itself it gathers a message that comes
 * in several reads in a buffer that it doubles again and again, of which up to half stays unused for
 * as long as the message lives, and packs all that it sends into new buffers. At full rate that is
 * more garbage than anything else, and V8 lets 64 MiB of it lie.
 */

import {
  DataBuffer,
  Parser,
  ProtocolHandler,
} from "@nats-io/transport-node/lib/nats-base-client.js";

/** Buffers that hold one message and nothing else. */
const gathered = new WeakSet<ArrayBufferLike>();

const { parse } = Parser.prototype;
Parser.prototype.parse = function (bytes) {
  const before = this.msgBuf; // what has come of a message that is not whole
  parse.call(this, bytes);
  const { msgBuf, ma } = this;
  if (!msgBuf) return;
  if (msgBuf === before) return free(bytes); // all of it was copied there
  msgBuf.grow(ma.size - msgBuf.length);
  gathered.add(msgBuf.bytes({ copy: false }).buffer);
};

/**
 * Gives the memory of a message back at once, where it was large, in place of leaving it to the
 * garbage collector; whoever still looks sees no bytes.
 */
export function release(data: Uint8Array): void {
  if (gathered.has(data.buffer)) (data.buffer as ArrayBuffer).transfer(0);
}

/** What was read from the socket, where it is alone in its buffer. */
function free({ buffer, length }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && length === buffer.byteLength) buffer.transfer(0);
}

/** Private to the types alone. */
const protocol = ProtocolHandler.prototype as unknown as {
  flushPending(this: ProtocolHandler): void;
};
const { flushPending } = protocol;
protocol.flushPending = function () {
  const { infoReceived, connected, outbound, transport } = this;
  if (!infoReceived || !connected || outbound.size() < largeBytesMin) {
    return flushPending.call(this);
  }
  const small = new DataBuffer();
  while (outbound.length() > 0) {
    const next = outbound.shift();
    if (next.length < largeBytesMin) {
      small.fill(next);
      continue;
    }
    if (small.size() > 0) transport.send(small.drain());
    transport.send(next);
  }
  if (small.size() > 0) transport.send(small.drain());
};

/** Below, a copy costs less than the write that it saves. */
const largeBytesMin = 64 * 1024;
