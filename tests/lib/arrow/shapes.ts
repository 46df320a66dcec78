/** Random shapes of results with rows for them, made from a seed. */

import type { ScalarType } from "../../../lib/arrow/column_types.ts";
import type { ResultField, ScalarField } from "../../../lib/arrow/result_field.ts";
import * as data from "./data_rows.ts";
import { refused, VALUES } from "./values.ts";

/** Numbers from a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Values of the table that each type can have, by the type. */
const BY_TYPE = Map.groupBy(
  VALUES.filter(({ json }) => json !== refused),
  ({ type }) => JSON.stringify(type),
);
const TYPES = [...BY_TYPE.keys()].map((type) => JSON.parse(type) as ScalarType);

/** Names that would break code they were pasted into. */
const NAMES = ["id", "a b", 'quo"te', "back\\slash", "${x}", "`", "日本", "\n", "__proto__x", "r"];

/** A shape and rows that fit it. */
export class RandomShape {
  readonly fields: readonly ResultField[];

  constructor(private readonly random: () => number) {
    this.fields = this.fieldsOf(3);
  }

  row(): Uint8Array {
    return data.dataRow(...this.valuesOf(this.fields));
  }

  private below(count: number): number {
    return Math.floor(this.random() * count);
  }

  private fieldsOf(depth: number): ResultField[] {
    return Array.from({ length: this.below(6) }, (_, i) => {
      const name = `${NAMES[this.below(NAMES.length)]}${i}`;
      return this.fieldOf(name, depth);
    });
  }

  private fieldOf(name: string, depth: number): ResultField {
    const nullable = this.random() < 0.5;
    const kind = depth > 0 ? this.below(6) : 5;
    if (kind === 0) return { kind: "constant", name, value: `Type"${this.below(9)}é` };
    if (kind === 1) return { kind: "object", name, nullable, fields: this.fieldsOf(depth - 1) };
    if (kind > 2) return this.scalarOf(name, nullable);
    const item = this.random() < 0.5
      ? this.scalarOf("item", this.random() < 0.8)
      : { kind: "object", name: "item", nullable, fields: this.fieldsOf(depth - 1) } as const;
    return { kind: "list", name, nullable, item };
  }

  private scalarOf(name: string, nullable: boolean): ScalarField {
    return { kind: "scalar", name, nullable, type: TYPES[this.below(TYPES.length)]! };
  }

  private valuesOf(fields: readonly ResultField[]): data.Value[] {
    return fields.filter(({ kind }) => kind !== "constant").map((field) => this.valueOf(field));
  }

  private valueOf(field: ResultField): data.Value {
    if (field.kind === "constant") throw new Error("a constant takes no column");
    if ((field.nullable || field.kind === "list") && this.random() < 0.2) return null;
    if (field.kind === "object") return data.record(...this.valuesOf(field.fields));
    if (field.kind === "list") {
      const values = Array.from({ length: this.below(5) }, () => this.valueOf(field.item));
      return data.array(...values);
    }
    const cases = BY_TYPE.get(JSON.stringify(field.type))!;
    return data.hex(cases[this.below(cases.length)]!.hex);
  }
}
