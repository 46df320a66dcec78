/**
 * What an answer must look like, by the documented table of types: JSON's form of each value, and
 * Arrow's type of each column.
 */

import type { Digits } from "./json.ts";

export type Shape = LeafShape | ObjectShape | ListShape;

export interface LeafShape {
  readonly kind: "leaf";
  readonly form: "boolean" | "number" | "float" | "string" | "json" | "cursor";
  readonly arrow: string;
  readonly nullable: boolean;
  /** Sums of floats differ in their last digits by the order of the rows. */
  readonly near?: true;
}

export interface ObjectShape {
  readonly kind: "object";
  readonly fields: readonly Field[];
  readonly nullable: boolean;
}

export interface ListShape {
  readonly kind: "list";
  readonly item: Shape;
  /** The order is promised; else rows are compared in any. */
  readonly ordered: boolean;
  readonly nullable: boolean;
}

export interface Field {
  readonly name: string;
  readonly shape: Shape;
}

/** A column as Arrow has it, with those in it. */
export type ArrowField = readonly [
  name: string,
  type: string,
  nullable: boolean,
  inner: readonly ArrowField[],
];

export function arrowField({ name, shape }: Field): ArrowField {
  switch (shape.kind) {
    case "leaf":
      return [name, shape.arrow, shape.nullable, []];
    case "object":
      return [name, "struct", shape.nullable, shape.fields.map(arrowField)];
    case "list":
      return [name, "list", shape.nullable, [arrowField({ name: "item", shape: shape.item })]];
    default:
      return shape satisfies never;
  }
}

/** A value in the form that `parseJson` gives. */
export type Value =
  | null
  | boolean
  | string
  | Digits
  | readonly Value[]
  | { readonly [key: string]: Value };
