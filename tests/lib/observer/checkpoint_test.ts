import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import {
  type Checkpoint,
  covers,
  decodeCheckpoint,
  encodeCheckpoint,
  nextWindow,
} from "../../../lib/observer/checkpoint.ts";

const checkpoint: Checkpoint = {
  epoch: 3,
  publisher: "p",
  database: { systemIdentifier: "7", timeline: 1, oid: "5" },
  from: "10:12:10",
  to: "11:20:11,15",
  done: false,
  position: 9_007_199_254_740_993n,
  eventId: "01890000-0000-7000-8000-000000000001",
  positionMax: 9_007_199_254_740_993n,
  streamCreated: "2026-01-01T00:00:00Z",
  emptied: null,
};

Deno.test("decodeCheckpoint() reads what encodeCheckpoint() wrote", () => {
  deepEqual(decodeCheckpoint(encodeCheckpoint(checkpoint)), checkpoint);
});

const others: [name: string, text: string][] = [
  ["what is no JSON", "?"],
  ["no object", "1"],
  ["a missing member", '{"epoch":1}'],
];
for (const [name, text] of others) {
  Deno.test(`decodeCheckpoint() refuses ${name}`, () => {
    throws(() => decodeCheckpoint(new TextEncoder().encode(text)), { code: "BAD_INPUT" });
  });
}

Deno.test("nextWindow() goes on within a window, behind a finished one, and at the beginning", () => {
  const { from, to, position } = checkpoint;
  deepEqual(nextWindow(checkpoint), { from, to, position });
  deepEqual(nextWindow({ ...checkpoint, done: true }), { from: to, to: null, position: 0n });
  deepEqual(nextWindow(null), { from: "1:1:", to: null, position: 0n });
});

const snapshots: [outer: string, inner: string, wanted: boolean][] = [
  ["10:20:", "10:20:", true],
  ["10:20:", "10:15:12", true],
  ["10:20:12", "10:15:12", true],
  ["10:20:17", "10:15:", true],
  ["10:20:12", "10:15:", false],
  ["10:15:", "10:20:", false],
];
for (const [outer, inner, wanted] of snapshots) {
  Deno.test(`covers() says ${wanted} of ${outer} and ${inner}`, () => {
    equal(covers(outer, inner), wanted);
  });
}
