/** What the compilers of SQL share: parameters, aliases, columns and how they are read. */

import type { ResultField, ScalarField } from "../arrow/result_field.ts";
import type { KeyMatch } from "./catalog.ts";
import { comparable, operator } from "./operators.ts";
import type { Column, LeafType, Link, Relation } from "./schema.ts";
import { quote, RECORD_ARRAY_OID, RECORD_OID } from "./sql_names.ts";

/** Bind parameters in order; equal ones are not merged, since their types may differ. */
export class Parameters {
  readonly values: string[] = [];
  /** By number, where the caller's own text is left to PostgreSQL to read. */
  readonly places: Record<number, string> = {};

  /** `$1::"pg_catalog"."int4"` for the next value; `place` is where it stands in the query. */
  add(text: string, sqlType: string, place?: string): string {
    this.values.push(text);
    if (place !== undefined) this.places[this.values.length] = place;
    return `$${this.values.length}::${sqlType}`;
  }
}

/** A FROM item under way: its alias and the joins that hang on it. */
export class Scope {
  readonly joins: string[] = [];
  readonly #joined = new Map<Link, Scope>();

  constructor(readonly relation: Relation, readonly alias: string) {}

  /** The scope of a related row; one join a link, however often it is asked. */
  join(link: Link, nextAlias: () => string, root: Scope): Scope {
    const known = this.#joined.get(link);
    if (known) return known;
    const scope = new Scope(link.target, nextAlias());
    root.joins.push(
      ` left join ${targetSql(link)} ${scope.alias} on ${linkSql(link, this, scope)}`,
    );
    this.#joined.set(link, scope);
    return scope;
  }
}

/** The scope that links of kind `one` lead to from there. */
export function linkedScope(
  links: readonly Link[],
  from: Scope,
  nextAlias: () => string,
): Scope {
  return links.reduce((scope, link) => scope.join(link, nextAlias, from), from);
}

/** A select under way: as rows of columns, or of one record. */
export interface CompiledSelect {
  readonly select: (form: "plain" | "record") => string;
  readonly fields: readonly ResultField[];
  /** PostgreSQL's oid of each column. */
  readonly resultTypes: readonly number[];
}

/**
 * ` limit 20`, or nothing. Written out and no parameter: for an unknown limit PostgreSQL expects a
 * tenth of the table, finds a plan made for the value cheaper, and so makes one each time, which
 * takes it nearly as long again as reading 20 rows.
 */
export function limitSql(rows: number | null): string {
  if (rows === null) return "";
  if (!Number.isSafeInteger(rows)) throw new Error(`no limit: ${rows}`);
  return ` limit ${rows}`;
}

/** ` offset $1::...`, or nothing. A parameter, since each page has another. */
export function offsetSql(parameters: Parameters, rows: number | null): string {
  return rows === null ? "" : ` offset ${parameters.add(String(rows), `"pg_catalog"."int8"`)}`;
}

/** The field that an array of records fills. */
export function recordsField(name: string, fields: readonly ResultField[]): ResultField {
  const item = { kind: "object", name: "item", nullable: false, oid: RECORD_OID, fields } as const;
  return { kind: "list", name, nullable: false, oid: RECORD_ARRAY_OID, item };
}

/** One column of the select list and the field it fills; a constant has no column. */
export interface Item {
  readonly sql: string | null;
  /** PostgreSQL's oid of the column; 0 for a constant. */
  readonly oid: number;
  readonly field: ResultField;
}

/** `oid` is what a record or an array says of it: unlike a row's description it names domains. */
export function leafField(
  name: string,
  nullable: boolean,
  type: LeafType,
  oid: number,
): ScalarField {
  return { kind: "scalar", name, nullable, type: type.scalar, oid };
}

export function readAs(sql: string, type: LeafType, suffix: string): string {
  return type.readAs ? `${sql}::${type.readAs.sqlType}${suffix}` : sql;
}

export const rowSql = (items: readonly Item[]) =>
  `row(${items.flatMap((item) => item.sql ?? []).join(", ")})`;
/** A foreign key leads to the table's own rows, never to those of tables that inherit from it. */
export const targetSql = ({ kind, target }: Link) =>
  `${kind === "one" && target.inherited ? "only " : ""}${relationSql(target)}`;
export const relationSql = (relation: Relation) =>
  `${quote(relation.schema)}.${quote(relation.name)}`;
export const columnSql = ({ alias }: Scope, { column, expression }: Column) =>
  expression ? expression(alias) : `${alias}.${quote(column)}`;
/** A part of a composite, or of a JSON object. */
export const partSql = (sql: string, { column, expression }: Column) =>
  expression ? expression(sql) : `(${sql}).${quote(column)}`;
export const isOrderable = (column: Column) => column.type.kind === "leaf" && column.type.orderable;

/** The condition of a link, as the foreign key itself compares. */
export function linkSql(link: Link, own: Scope, other: Scope): string {
  return link.pairs.map((pair) => {
    const sides = [columnSql(other, pair.other), columnSql(own, pair.own)] as const;
    if (pair.match) {
      return matchSql(pair.match, link.kind === "one" ? sides : [sides[1], sides[0]]);
    }
    const { type } = pair.other;
    if (type.kind !== "leaf") return `${sides[0]} = ${sides[1]}`;
    const [left, right] = [
      comparable(sides[0], pair.other, type),
      comparable(sides[1], pair.own, type),
    ];
    return `${left} ${operator(type, "=")} ${right}`;
  }).join(" and ");
}

function matchSql(
  { operator, targetType, sourceType, collation }: KeyMatch,
  [target, source]: readonly [string, string],
): string {
  const left = targetType === null ? target : `${target}::${targetType}`;
  const right = sourceType === null ? source : `${source}::${sourceType}`;
  return `${left}${
    collation === null ? "" : ` collate ${collation}`
  } operator(${operator}) ${right}`;
}
