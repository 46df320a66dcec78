/**
 * How wide the steps are in which history is read: pure numbers, so that what a step found decides
 * the next one and nothing else.
 */

import type { Limits } from "../limits.ts";

export type StepLimits = Pick<Limits, "eventStepRowsMax" | "eventHeldBytesMax">;

/** Positions among which the next rows are looked for, and how many of them are wanted at most. */
export interface Step {
  /** Exclusive. */
  readonly after: bigint;
  /** Inclusive. */
  readonly within: bigint;
  readonly rowsMax: number;
}

/** What a step gave. */
export interface Taken {
  /** Everything up to this position was given. */
  readonly upTo: bigint;
  readonly rows: number;
  readonly bytes: number;
  /** Whether it stopped before its end because the rows were too large. */
  readonly isCut: boolean;
}

/** All that is to be read. */
export interface Extent {
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly rows: bigint;
}

/** Small, so that the reader soon has something to do while the next is read. */
export function firstStep({ lowest, highest, rows }: Extent, limits: StepLimits): Step {
  const rowsMax = Math.min(firstRows, limits.eventStepRowsMax);
  const positionsPerRow = (highest - lowest) / rows + 1n;
  return stepOf(lowest - 1n, positionsPerRow * BigInt(rowsMax), rowsMax, highest);
}

/** The step behind one; null where that was the last. */
export function nextStep(
  { after, rowsMax }: Step,
  { upTo, rows, bytes, isCut }: Taken,
  highest: bigint,
  limits: StepLimits,
): Step | null {
  if (upTo >= highest) return null;
  const covered = upTo - after;
  const fitting = rows === 0
    ? rowsMax
    : Math.max(1, Math.floor(limits.eventHeldBytesMax / (bytes / rows)));
  const wanted = isCut
    ? Math.min(fitting, Math.ceil(rowsMax / shrinking))
    : Math.min(fitting, rowsMax * growth, limits.eventStepRowsMax);
  // Positions lie close where much was written at once, far from each other where little was, and
  // 2^54 apart between two epochs; so one step tells little about the next, and errs by so much.
  const width = rows === 0
    ? covered * widerBy + 1n
    : minimum(covered * BigInt(wanted) / BigInt(rows), covered * widerBy) * 2n + 1n;
  return stepOf(upTo, width, wanted, highest);
}

function stepOf(after: bigint, width: bigint, rowsMax: number, highest: bigint): Step {
  return { after, within: minimum(after + width, highest), rowsMax };
}

const minimum = (a: bigint, b: bigint) => a < b ? a : b;

const firstRows = 2000;
const growth = 8;
const shrinking = 4;
const widerBy = 16n;
