/**
 * The shape of a result: what the planner promises, what PostgreSQL sends in its binary format, and
 * what both encoders turn into Arrow or JSON. It depends on the query alone, never on a row.
 */

import type { ScalarType } from "./column_types.ts";

/**
 * One field of a row, in selection order. All but `constant` take one column of the row, or one
 * attribute of the record, or one element of the array that holds them, in this order.
 */
export type ResultField = ScalarField | ObjectField | ListField | ConstantField;

/** What a record says before each attribute, and an array before its elements. */
export interface TypedField {
  /**
   * PostgreSQL's oid of the type as it stands there, a domain's own where it is one; rows with
   * another one are of a changed schema. Not checked where absent or 0, nor for columns of the row,
   * whose types the row's description tells.
   */
  readonly oid?: number;
}

/** A value of one PostgreSQL type. */
export interface ScalarField extends TypedField {
  readonly kind: "scalar";
  /** Response name: the alias where one is given. */
  readonly name: string;
  readonly nullable: boolean;
  readonly type: ScalarType;
}

/** A related row or a composite: a `record` in binary, a Struct, a JSON object; null when absent. */
export interface ObjectField extends TypedField {
  readonly kind: "object";
  readonly name: string;
  readonly nullable: boolean;
  readonly fields: readonly ResultField[];
  /**
   * Its fields are columns of the row itself and not of a record; never null, and only at the top or
   * in another such object. JSON has it as an object; Arrow has its fields beside the others, this
   * before their names.
   */
  readonly inlinePrefix?: string;
  /**
   * Of an inline object: its fields are inline objects, which JSON has as an array; Arrow has the one
   * value of each, by the object's own name.
   */
  readonly elements?: true;
  /** It stands in such an array, without its name. */
  readonly isElement?: true;
}

/**
 * Related rows, or a PostgreSQL array: an array in binary, a List, a JSON array.
 * More than one dimension is UNREPRESENTABLE. The item's name is `item`.
 */
export interface ListField extends TypedField {
  readonly kind: "list";
  readonly name: string;
  readonly nullable: boolean;
  readonly item: ScalarField | ObjectField;
}

/** A text known beforehand (`__typename`); takes no column. */
export interface ConstantField {
  readonly kind: "constant";
  readonly name: string;
  readonly value: string;
}

const flat = new WeakMap<readonly ResultField[], readonly ResultField[]>();

/**
 * The columns of a record batch: the fields, those of inline objects in their objects' places; each of
 * a name of its own, since two lists of the same hits become columns beside each other.
 */
export function flatFields(fields: readonly ResultField[]): readonly ResultField[] {
  const names = new Set(fields.map(({ name }) => name));
  if (names.size === fields.length && !fields.some(isInline)) return fields;
  const known = flat.get(fields);
  if (known) return known;
  const taken = new Set<string>();
  const made = fields.flatMap(inlined).map((field) => {
    let name = field.name;
    for (let i = 2; taken.has(name); i++) name = `${field.name}_${i}`;
    taken.add(name);
    return { ...field, name };
  });
  flat.set(fields, made);
  return made;
}

function inlined(field: ResultField): readonly ResultField[] {
  if (field.kind !== "object" || field.inlinePrefix === undefined) return [field];
  if (!field.elements) {
    return field.fields.map((inner) => ({ ...inner, name: field.inlinePrefix + inner.name }));
  }
  return field.fields.flatMap((element) => {
    const values = element.kind === "object" ? element.fields : [];
    return values.filter(({ kind }) => kind !== "constant")
      .map((value) => ({ ...value, name: element.name }));
  });
}

/** Whether its fields are columns of the row itself. */
export function isInline(field: ResultField): boolean {
  return field.kind === "object" && field.inlinePrefix !== undefined;
}
