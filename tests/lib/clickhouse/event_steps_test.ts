import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import {
  type Extent,
  firstStep,
  nextStep,
  type Step,
} from "../../../lib/clickhouse/event_steps.ts";

const MiB = 1024 * 1024;
const limits = { eventStepRowsMax: 10_000, eventHeldBytesMax: MiB };
const epoch = 1n << 54n;

/** Steps over rows at these positions, as ClickHouse would be asked for them. */
function walk(positions: readonly bigint[], rowBytes: number, some = limits) {
  const extent: Extent = {
    lowest: positions[0]!,
    highest: positions.at(-1)!,
    rows: BigInt(positions.length),
  };
  const steps: { rows: number; looked: number; rowsMax: number }[] = [];
  const seen: bigint[] = [];
  for (let step: Step | null = firstStep(extent, some); step;) {
    const { after, within, rowsMax } = step;
    const there = positions.filter((one) => one > after && one <= within);
    const found = there.slice(0, rowsMax);
    const held = found.slice(0, Math.ceil(some.eventHeldBytesMax / rowBytes));
    const isCut = held.length < found.length;
    const upTo = isCut || found.length === rowsMax ? held.at(-1)! : within;
    seen.push(...held);
    steps.push({ rows: held.length, looked: there.length, rowsMax });
    const taken = { upTo, rows: held.length, bytes: held.length * rowBytes, isCut };
    step = nextStep(step, taken, extent.highest, some);
  }
  return { steps, seen };
}

/** Batches of so many rows each, one behind the other. */
function batches(count: number, rows: number, from = epoch): bigint[] {
  return Array.from(
    { length: count * rows },
    (_, i) => from + (BigInt(1 + Math.floor(i / rows)) << 14n) + BigInt(i % rows),
  );
}

const stored: [name: string, positions: bigint[], stepsMax: number][] = [
  ["one row", [epoch + 16384n], 1],
  ["full batches", batches(4, 10_000), 9],
  ["batches of a row each", batches(20_000, 1), 6],
  ["epochs that are far apart", [...batches(3, 4000), ...batches(3, 4000, 3n * epoch)], 25],
  ["hours of single rows, then much at once", [
    ...batches(20_000, 1),
    ...batches(4, 10_000, epoch + (30_000n << 14n)),
  ], 16],
];

for (const [name, positions, stepsMax] of stored) {
  Deno.test(`nextStep() leads over every row once, in few steps: ${name}`, () => {
    const { steps, seen } = walk(positions, 50);
    deepEqual(seen, positions);
    ok(steps.length <= stepsMax, `${steps.length} steps`);
  });
}

Deno.test("nextStep() begins small, and asks for no more than eventStepRowsMax", () => {
  const { steps } = walk(batches(4, 10_000), 50);
  deepEqual(steps.slice(0, 2).map(({ rowsMax }) => rowsMax), [2000, 10_000]);
  ok(steps.every(({ rows }) => rows <= 10_000));
});

Deno.test("nextStep() asks for what fits eventHeldBytesMax, by the size of the last rows", () => {
  const { steps, seen } = walk(batches(1, 10_000), 10_000);
  deepEqual(seen.length, 10_000);
  deepEqual(steps.slice(0, 3).map(({ rowsMax }) => rowsMax), [2000, 104, 104]);
});

Deno.test("nextStep() goes down to single rows where each is larger than may be held", () => {
  const { steps, seen } = walk(batches(1, 20), 2 * MiB);
  deepEqual(seen.length, 20);
  ok(steps.slice(1).every(({ rowsMax }) => rowsMax === 1));
});

Deno.test("nextStep() looks at positions far ahead no more than twice where much was written behind little", () => {
  const dense = batches(40, 10_000, epoch + (30_000n << 14n));
  const { steps } = walk([...batches(20_000, 1), ...dense], 50);
  ok(steps.filter(({ looked }) => looked > 100_000).length <= 2, JSON.stringify(steps));
});
