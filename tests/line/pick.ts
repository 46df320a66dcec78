/** Choices of a test, the same for the same number. */

import { randomOf } from "../lib/random.ts";

/** A whole number from 0, below that one. */
export type Pick = (max: number) => number;

export function pickOf(n: number): Pick {
  const random = randomOf(n);
  return (max) => Math.floor(random() * max);
}
