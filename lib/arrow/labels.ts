/** From the bytes of an enum's label to its place in the type, without making a string. */

import { AppError } from "../errors.ts";

/** A hash table with open addressing; twice as many slots as labels at least. */
export interface LabelTable {
  readonly labels: readonly Uint8Array[];
  /** Index of a label plus 1, or 0 where the slot is empty. */
  readonly slots: Uint16Array;
}

/** Int16 is the index of an enum's dictionary. */
const labelsMax = 32_768;

/** Makes the table of an enum's labels. */
export function labelTable(labels: readonly string[]): LabelTable {
  if (labels.length > labelsMax) {
    throw new AppError("UNSUPPORTED", `an enum of ${labels.length} labels, above ${labelsMax}`);
  }
  const encoder = new TextEncoder();
  const bytes = labels.map((label) => encoder.encode(label));
  let size = 4;
  while (size < labels.length * 2) size *= 2;
  const slots = new Uint16Array(size);
  bytes.forEach((label, i) => {
    let slot = hash(label, 0, label.length) & (size - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (size - 1);
    slots[slot] = i + 1;
  });
  return { labels: bytes, slots };
}

/** The index of the label at `b[q]`, -1 where the enum has none such. */
export function labelIndex(table: LabelTable, b: Uint8Array, q: number, l: number): number {
  const mask = table.slots.length - 1;
  for (let slot = hash(b, q, l) & mask;; slot = (slot + 1) & mask) {
    const index = table.slots[slot]! - 1;
    if (index < 0) return -1;
    const label = table.labels[index]!;
    if (label.length !== l) continue;
    let k = 0;
    while (k < l && label[k] === b[q + k]) k++;
    if (k === l) return index;
  }
}

function hash(b: Uint8Array, q: number, l: number): number {
  let value = l;
  for (let k = 0; k < l; k++) value = (Math.imul(value, 31) + b[q + k]!) | 0;
  return value ^ (value >>> 11);
}
