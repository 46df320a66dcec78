import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Stream } from "../../../lib/postgres/stream.ts";
import { Wire } from "../../../lib/postgres/wire.ts";
import { dataRow, int32, intRow, joined, message, ready } from "./fake_server.ts";

/** Gives pieces one by one, then the end; notes the largest buffer it was given. */
class FakeStream implements Stream {
  readonly server = { host: "fake", port: 0 };
  readonly encrypted = false;
  readonly peerCertificate = null;
  readonly #pieces: Uint8Array[];
  roomMax = 0;
  reads = 0;

  constructor(pieces: Iterable<Uint8Array>) {
    this.#pieces = [...pieces];
  }

  read(into: Uint8Array): Promise<number | null> {
    this.reads++;
    this.roomMax = Math.max(this.roomMax, into.length);
    const piece = this.#pieces.shift();
    if (!piece) return Promise.resolve(null);
    into.set(piece.subarray(0, into.length));
    if (piece.length > into.length) this.#pieces.unshift(piece.subarray(into.length));
    return Promise.resolve(Math.min(piece.length, into.length));
  }

  write = () => Promise.resolve();
  close = () => {};
}

function* cutAt(bytes: Uint8Array, size: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = size();
    yield bytes.slice(at, at + length);
    at += length;
  }
}

/** Letters and bodies of all messages until the end, runs of rows as one. */
async function readAll(wire: Wire): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const to = wire.endOfRows();
    if (to > wire.start) {
      const view = new DataView(wire.bytes.buffer);
      for (let at = wire.start; at < to; at += 1 + view.getInt32(at + 1)) {
        found.push(`D${view.getInt32(at + 11)}`);
      }
      wire.start = to;
      continue;
    }
    const letter = wire.tryNext();
    if (letter !== 0) {
      found.push(String.fromCharCode(letter) + wire.body().length);
      if (String.fromCharCode(letter) === "Z") return found;
      continue;
    }
    await wire.fill();
  }
}

const answer = joined([
  message("1"),
  message("2"),
  ...Array.from({ length: 2000 }, (_, n) => intRow(n)),
  message("N", "MSomething\0\0"),
  ...Array.from({ length: 50 }, (_, n) => intRow(2000 + n)),
  message("C", "SELECT 2050\0"),
  ready,
]);
const wanted = [
  "10",
  "20",
  ...Array.from({ length: 2000 }, (_, n) => `D${n}`),
  "N12",
  ...Array.from({ length: 50 }, (_, n) => `D${2000 + n}`),
  "C12",
  "Z1",
];

const splits: [name: string, size: () => number][] = [
  ["at once", () => answer.length],
  ["one byte at a time", () => 1],
  ["in pieces of 5", () => 5],
  ["in pieces of 16", () => 16],
  ["in pieces of any size", () => 1 + Math.floor(Math.random() * 40)],
  ["in large pieces of any size", () => 1 + Math.floor(Math.random() * 20_000)],
];

for (const [name, size] of splits) {
  Deno.test(`Wire finds the same messages when they come ${name}`, async () => {
    const wire = new Wire(new FakeStream(cutAt(answer, size)), 1_000_000);
    deepEqual(await readAll(wire), wanted);
  });
}

Deno.test("Wire grows for a large message and gives the room back", async () => {
  const large = dataRow(new Uint8Array(1_000_000));
  const stream = new FakeStream([joined([large, intRow(1)]), intRow(2), ready]);
  const wire = new Wire(stream, 2_000_000);
  const small = wire.bytes.length;
  equal(String.fromCharCode(await wire.next()), "D");
  ok(wire.bytes.length >= large.length);
  for (const letter of "DDZ") equal(String.fromCharCode(await wire.next()), letter);
  equal(wire.bytes.length, small);
});

Deno.test("Wire refuses a row above rowBytesMax before it is read", async () => {
  const stream = new FakeStream([joined([message("2"), [0x44], int32(1_000_001)])]);
  const wire = new Wire(stream, 1_000_000);
  await wire.next();
  await rejects(wire.next(), { code: "TOO_LARGE" });
  ok(stream.roomMax < 1_000_000);
});

Deno.test("Wire passes over rows of any size without keeping them", async () => {
  const huge = dataRow(new Uint8Array(3_000_000));
  const stream = new FakeStream(cutAt(joined([huge, intRow(1), huge, ready]), () => 50_000));
  const wire = new Wire(stream, 1000);
  let letter = wire.tryNextButRows();
  while (letter === 0) {
    await wire.fill();
    letter = wire.tryNextButRows();
  }
  equal(String.fromCharCode(letter), "Z");
  ok(stream.roomMax <= 65_536);
});

const garbage: [name: string, bytes: Uint8Array][] = [
  ["a length below 4", joined([[0x44], int32(3), [0, 0, 0]])],
  ["a length of 0", joined([[0x5a], int32(0), [0, 0]])],
  ["a negative length", joined([[0x44], int32(-1), [0, 0]])],
  ["a letter that no server sends", joined([[0x00], int32(8), [0, 0]])],
  ["an HTTP server's answer", new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["an endless message that is no row", joined([[0x43], int32(2_000_000_000)])],
];

for (const [name, bytes] of garbage) {
  Deno.test(`Wire refuses ${name}`, async () => {
    for (const size of [bytes.length, 1]) {
      const wire = new Wire(new FakeStream(cutAt(bytes, () => size)), 1_000_000);
      await rejects(readAll(wire), { code: "UNAVAILABLE", message: /not PostgreSQL's protocol/ });
      const passing = new Wire(new FakeStream([bytes]), 1_000_000);
      await passing.fill();
      await rejects(async () => await Promise.resolve(passing.tryNextButRows()), {
        code: "UNAVAILABLE",
      });
    }
  });
}

Deno.test("Wire throws where the stream ends in the middle of a message", async () => {
  const wire = new Wire(new FakeStream([intRow(1).slice(0, 9)]), 1000);
  await rejects(wire.next(), { code: "UNAVAILABLE", message: /was lost/ });
});

Deno.test("Wire.fill() asked for twice is one read", async () => {
  const stream = new FakeStream([ready, ready]);
  const wire = new Wire(stream, 1000);
  await Promise.all([wire.fill(), wire.fill()]);
  equal(stream.reads, 1);
});
