/** Whether a declared type fits what is there: its form, its nulls, its labels, its digits. */

import type { EnumTypeDefinitionNode } from "graphql";
import type { ScalarType } from "../arrow/column_types.ts";
import { suggestion } from "../config.ts";
import type { LeafType, ValueType } from "./schema.ts";
import type { Declared, FieldDefinition } from "./schema_file_document.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";
import type { CatalogEnum } from "./schema_types.ts";

/** A value of the database, by its type. */
export interface DatabaseValue {
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly notNull: boolean;
  /** Where it is, for messages, e.g. `public.users.age`. */
  readonly place: string;
  /** Nobody promises that it is never null, so that the file may: a view's column, a function. */
  readonly unpromised: boolean;
}

/** The type as it is declared, where that is one of those it can have; else adds the fault. */
export function fittingType(
  type: ValueType,
  place: string,
  declared: Declared,
  faults: SchemaFileFaults,
): ValueType | null {
  const item = type.kind === "array" ? type.item : type;
  const names = item.kind === "leaf" ? leafNames(item) : [item.composite.typeName];
  if (declared.list !== (type.kind === "array") || !names.includes(declared.name)) {
    const right = type.kind === "array" ? names.map((name) => `[${name}]`) : names;
    faults.add(
      declared.node,
      `${place} is ${right[0]} and not ${declared.text}`,
      `declare it as ${right.join(" or ")}`,
    );
    return null;
  }
  if (declared.itemRequired) refuseItemRequired(declared, faults);
  if (item.kind !== "leaf" || item.graphql === declared.name) return type;
  // ID for a text: compared as one, without the patterns of texts.
  const named = { ...item, graphql: declared.name, textual: false };
  return type.kind === "array" ? { ...type, item: named } : named;
}

/** `[T!]` is refused: arrays of the database and of JSON hold nulls. */
export function refuseItemRequired(declared: Declared, faults: SchemaFileFaults): void {
  const right = `[${declared.name}]${declared.required ? "!" : ""}`;
  faults.add(declared.node, "elements of arrays may be null", `declare it as ${right}`);
}

/** `!` is for what cannot be null; `mayBeNull` is true where even a NOT NULL column can become so. */
export function checkNullability(
  value: DatabaseValue,
  { declared }: FieldDefinition,
  type: ValueType,
  mayBeNull: boolean,
  faults: SchemaFileFaults,
): void {
  if (!declared.required) return;
  const right = `declare it as ${declared.text.slice(0, -1)}`;
  if (mayBeNull) {
    const item = type.kind === "leaf" ? type.scalar.kind : "array";
    const why = item === "float4" || item === "float8"
      ? "may be NaN, which is null in JSON"
      : "is null where it cannot be represented (FRAISEQL_UNREPRESENTABLE=null)";
    faults.add(declared.node, `${value.place} ${why}`, right);
  } else if (!value.notNull && !value.unpromised) {
    faults.add(declared.node, `${value.place} may be null`, right);
  }
}

/** `@column(decimal: "38,10")`: a numeric of any size, promised to fit. */
export function withDecimal(
  type: ValueType,
  field: FieldDefinition,
  faults: SchemaFileFaults,
): ValueType {
  const given = field.directives.get("column");
  const text = given?.text("decimal") ?? null;
  if (text === null || !given) return type;
  const [, precision = 0, scale = 0] = /^(\d{1,2})\s*,\s*(\d{1,2})$/.exec(text)?.map(Number) ??
    [];
  if (precision < 1 || precision > 38 || scale > precision) {
    faults.add(
      given.at("decimal"),
      `decimal is ${JSON.stringify(text)}`,
      'write precision and scale, such as "38,10", of at most 38',
    );
    return type;
  }
  const item = type.kind === "array" ? type.item : type;
  if (item.kind !== "leaf" || item.scalar.kind !== "numeric") {
    const what = item.kind === "leaf" && item.scalar.kind === "decimal"
      ? `is numeric(${item.scalar.precision},${item.scalar.scale}) already`
      : "is no numeric";
    faults.add(given.at("decimal"), `${field.name} ${what}`, "take decimal away");
    return type;
  }
  const scalar: ScalarType = { kind: "decimal", precision, scale };
  const decimal = { ...item, scalar };
  return type.kind === "array" ? { ...type, item: decimal } : decimal;
}

/** The names that a leaf can be declared by, the usual one first. */
function leafNames(leaf: LeafType): string[] {
  if (leaf.scalar.kind === "uuid") return leaf.graphql === "ID" ? ["ID", "UUID"] : ["UUID", "ID"];
  const isText = leaf.scalar.kind === "text" && leaf.readAs === null && leaf.orderable;
  return isText ? [leaf.graphql, "ID"] : [leaf.graphql];
}

/** An enum has all labels of PostgreSQL's, in its order. */
export function checkLabels(
  node: EnumTypeDefinitionNode,
  type: CatalogEnum,
  faults: SchemaFileFaults,
): void {
  const name = `${type.schema}.${type.name}`;
  const values = node.values ?? [];
  const labels = values.map((value) => value.name.value);
  for (const value of values) {
    if (type.labels.includes(value.name.value)) continue;
    const remedy = `take it away${suggestion(value.name.value, type.labels)}`;
    faults.add(value, `${name} has no label ${value.name.value}`, remedy);
  }
  const missing = type.labels.filter((label) => !labels.includes(label));
  if (missing.length > 0) {
    faults.add(
      node.name,
      `${node.name.value} lacks labels of ${name}`,
      `add ${missing.join(", ")}`,
    );
  } else if (
    labels.length === type.labels.length && labels.some((label, i) => label !== type.labels[i])
  ) {
    faults.add(
      node.name,
      `${node.name.value} has the labels of ${name} in another order, by which they compare`,
      `write ${type.labels.join(" ")}`,
    );
  }
}
