/**
 * Reads -> SQL with bind parameters, and the shape of their rows.
 *
 * Names in the SQL come from the catalog alone, in quotes; whatever came from a client is a
 * parameter with a cast. A related row is a LEFT JOIN and arrives as a `record`, related rows are a
 * correlated `array(select row(...))`, so that one operation field is one statement.
 */

import type { ObjectField, ResultField, ScalarField } from "../arrow/result_field.ts";
import type { SqlStatement } from "./database.ts";
import { operator, operatorSql } from "./operators.ts";
import {
  type Condition,
  ORDER_DIRECTIONS,
  type OrderTerm,
  type Read,
  type Selection,
} from "./read_plan.ts";
import {
  type Column,
  type CompositeType,
  type LeafType,
  type Link,
  quote,
  RECORD_ARRAY_OID,
  RECORD_OID,
  type Relation,
} from "./schema.ts";

export interface CompiledRead {
  readonly statement: SqlStatement;
  readonly fields: readonly ResultField[];
}

export interface CompileOptions {
  /** Makes nested lists and what can be UNREPRESENTABLE null-able, as the schema says. */
  readonly unrepresentable: "error" | "null";
  /** How often the schema was read again; 0 when absent. */
  readonly generation?: number;
}

/** The statement of a root field. */
export function compileRead(read: Read, options: CompileOptions): CompiledRead {
  const parameters = new Parameters();
  const compiler = new Compiler(parameters, options);
  const { select, fields, resultTypes } = compiler.read(read, null);
  // PostgreSQL plans a prepared statement again when a table changes, but not when a composite
  // does: another text is another statement.
  const again = compiler.readsComposites && options.generation
    ? ` /* schema ${options.generation} */`
    : "";
  const statement = { text: select("plain") + again, parameters: parameters.values, resultTypes };
  return { statement, fields };
}

/** Bind parameters in order; equal ones are not merged, since their types may differ. */
export class Parameters {
  readonly values: string[] = [];

  /** `$1::"pg_catalog"."int4"` for the next value. */
  add(text: string, sqlType: string): string {
    this.values.push(text);
    return `$${this.values.length}::${sqlType}`;
  }
}

/** A FROM item under way: its alias and the joins that hang on it. */
class Scope {
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

/** One column of the select list and the field it fills; a constant has no column. */
interface Item {
  readonly sql: string | null;
  /** PostgreSQL's oid of the column; 0 for a constant. */
  readonly oid: number;
  readonly field: ResultField;
}

class Compiler {
  readsComposites = false;
  #aliases = 0;

  constructor(
    private readonly parameters: Parameters,
    private readonly options: CompileOptions,
  ) {}

  #nextAlias = () => `t${this.#aliases++}`;

  /** The select of a read; `parent` is where its link hangs. */
  read(
    read: Read,
    parent: { readonly scope: Scope; readonly link: Link } | null,
  ): {
    select: (form: "plain" | "record") => string;
    fields: readonly ResultField[];
    resultTypes: readonly number[];
  } {
    const scope = new Scope(read.relation, this.#nextAlias());
    // Parameters are numbered in the order of the text: select list, conditions, order, limit.
    const items = read.selection.map((selection) => this.#item(selection, scope, scope));
    const conditions = [
      ...parent ? [linkSql(parent.link, parent.scope, scope)] : [],
      ...read.where ? [this.#condition(read.where, scope)] : [],
    ];
    const order = this.#order(read, scope, parent !== null);
    const limit = this.#count("limit", read.limit) + this.#count("offset", read.offset);
    const columns = items.flatMap((item) => item.sql ?? []).join(", ");
    return {
      fields: items.map((item) => item.field),
      resultTypes: items.flatMap((item) => item.sql === null ? [] : item.oid),
      select: (form) =>
        `select ${form === "record" ? `row(${columns})` : columns} ` +
        `from ${relationSql(read.relation)} ${scope.alias}${scope.joins.join("")}` +
        (conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "") + order + limit,
    };
  }

  #count(word: string, value: number | null): string {
    if (value === null) return "";
    return ` ${word} ${this.parameters.add(String(value), `"pg_catalog"."int8"`)}`;
  }

  #order(read: Read, scope: Scope, nested: boolean): string {
    const bounded = nested || read.limit !== null || read.offset !== null;
    if (read.order.length === 0 && !bounded) return "";
    const terms = read.order.map((term) => this.#orderTerm(term, scope));
    const named = new Set(
      read.order.filter((term) => term.links.length === 0).map((term) => term.column),
    );
    // The key comes last, so that equal rows have one order and pages do not overlap.
    const ties = read.relation.key.filter((column) => !named.has(column) && isOrderable(column));
    const all = [...terms, ...ties.map((column) => columnSql(scope, column))];
    return all.length > 0 ? ` order by ${all.join(", ")}` : "";
  }

  #orderTerm(term: OrderTerm, root: Scope): string {
    let scope = root;
    for (const link of term.links) scope = scope.join(link, this.#nextAlias, root);
    return `${columnSql(scope, term.column)} ${ORDER_DIRECTIONS[term.direction]}`;
  }

  #item(selection: Selection, scope: Scope, root: Scope): Item {
    switch (selection.kind) {
      case "constant":
        return { sql: null, oid: 0, field: selection };
      case "column":
        return this.#columnItem(selection, columnSql(scope, selection.column));
      case "one":
        return this.#oneItem(selection, scope, root);
      case "many": {
        const inner = this.read(selection.read, { scope, link: selection.link });
        return {
          sql: `array(${inner.select("record")})`,
          oid: RECORD_ARRAY_OID,
          field: {
            kind: "list",
            name: selection.name,
            nullable: false,
            oid: RECORD_ARRAY_OID,
            item: {
              kind: "object",
              name: "item",
              nullable: false,
              oid: RECORD_OID,
              fields: inner.fields,
            },
          },
        };
      }
      default:
        return selection satisfies never;
    }
  }

  #oneItem(selection: Selection & { kind: "one" }, scope: Scope, root: Scope): Item {
    const other = scope.join(selection.link, this.#nextAlias, root);
    const items = selection.selection.map((inner) => this.#item(inner, other, root));
    const present = selection.link.pairs.map((pair) => columnSql(other, pair.other))[0];
    return {
      sql: `case when ${present} is not null then ${rowSql(items)} end`,
      oid: RECORD_OID,
      field: {
        kind: "object",
        name: selection.name,
        nullable: true,
        oid: RECORD_OID,
        fields: items.map((item) => item.field),
      },
    };
  }

  #columnItem(selection: Selection & { kind: "column" }, sql: string): Item {
    const { name, column: { type, nullable, declaredOid } } = selection;
    switch (type.kind) {
      case "leaf":
        return {
          sql: readAs(sql, type, ""),
          oid: type.oid,
          field: leafField(name, nullable, type, type.readAs?.oid ?? declaredOid),
        };
      case "composite":
        return {
          sql: this.#compositeSql(sql, selection.parts),
          oid: RECORD_OID,
          field: { ...this.#compositeField(name, selection.parts), nullable },
        };
      case "array": {
        const item = type.item;
        if (item.kind === "leaf") {
          const field = leafField("item", true, item, type.itemOid);
          return {
            sql: readAs(sql, item, "[]"),
            oid: type.oid,
            field: {
              kind: "list",
              name,
              nullable,
              oid: item.readAs?.arrayOid ?? declaredOid,
              item: field,
            },
          };
        }
        return {
          sql: this.#compositeArraySql(sql, selection.parts),
          oid: RECORD_ARRAY_OID,
          field: {
            kind: "list",
            name,
            nullable,
            oid: RECORD_ARRAY_OID,
            item: this.#compositeField("item", selection.parts),
          },
        };
      }
      default:
        return type satisfies never;
    }
  }

  /** IS DISTINCT FROM, since a composite whose parts are all null IS NULL and still a value. */
  #compositeSql(sql: string, parts: readonly Selection[]): string {
    const items = this.#parts(sql, parts);
    return `case when ${sql} is distinct from null then ${rowSql(items)} end`;
  }

  #compositeField(name: string, parts: readonly Selection[]): ObjectField {
    const fields = this.#parts("", parts).map((item) => item.field);
    return { kind: "object", name, nullable: true, oid: RECORD_OID, fields };
  }

  #parts(sql: string, parts: readonly Selection[]): Item[] {
    this.readsComposites = true;
    return parts.map((part) =>
      part.kind === "column"
        ? this.#columnItem(part, `(${sql}).${quote(part.column.column)}`)
        : { sql: null, oid: 0, field: part as Selection & { kind: "constant" } }
    );
  }

  /** An array of more than one dimension goes out as one, for the encoders to refuse. */
  #compositeArraySql(sql: string, parts: readonly Selection[]): string {
    const i = `i${this.#aliases++}`;
    const element = this.#compositeSql(`(${sql})[${i}]`, parts);
    return `case when ${sql} is null then null ` +
      `when pg_catalog.array_ndims(${sql}) > 1 then array[array[row()]] ` +
      `else array(select ${element} from pg_catalog.generate_subscripts(${sql}, 1) ${i} order by ${i}) end`;
  }

  #condition(condition: Condition, scope: Scope): string {
    switch (condition.kind) {
      case "and":
      case "or": {
        const parts = condition.items.map((item) => this.#condition(item, scope));
        if (parts.length === 1) return parts[0] ?? "";
        if (parts.length === 0) return condition.kind === "and" ? "true" : "false";
        return `(${parts.join(` ${condition.kind} `)})`;
      }
      case "not":
        return `not (${this.#condition(condition.item, scope)})`;
      case "link": {
        const other = new Scope(condition.link.target, this.#nextAlias());
        const inner = this.#condition(condition.item, other);
        return `exists (select from ${targetSql(condition.link)} ${other.alias} ` +
          `where ${linkSql(condition.link, scope, other)}${
            inner === "true" ? "" : ` and ${inner}`
          })`;
      }
      case "compare":
      case "jsonPath":
        return operatorSql(condition, conditionColumn(condition.columns, scope), this.parameters);
      default:
        return condition satisfies never;
    }
  }
}

function conditionColumn(columns: readonly Column[], scope: Scope): string {
  return columns.reduce(
    (sql, column) => sql === "" ? columnSql(scope, column) : `(${sql}).${quote(column.column)}`,
    "",
  );
}

/** `oid` is what a record or an array says of it: unlike a row's description it names domains. */
function leafField(name: string, nullable: boolean, type: LeafType, oid: number): ScalarField {
  return { kind: "scalar", name, nullable, type: type.scalar, oid };
}

function readAs(sql: string, type: LeafType, suffix: string): string {
  return type.readAs ? `${sql}::${type.readAs.sqlType}${suffix}` : sql;
}

const rowSql = (items: readonly Item[]) =>
  `row(${items.flatMap((item) => item.sql ?? []).join(", ")})`;
/** A foreign key leads to the table's own rows, never to those of tables that inherit from it. */
const targetSql = ({ kind, target }: Link) =>
  `${kind === "one" && target.inherited ? "only " : ""}${relationSql(target)}`;
const relationSql = (relation: Relation) => `${quote(relation.schema)}.${quote(relation.name)}`;
const columnSql = (scope: Scope, column: Column) => `${scope.alias}.${quote(column.column)}`;
const isOrderable = (column: Column) => column.type.kind === "leaf" && column.type.orderable;

function linkSql(link: Link, own: Scope, other: Scope): string {
  return link.pairs.map((pair) => {
    const { type } = pair.other;
    const equals = type.kind === "leaf" ? operator(type, "=") : "=";
    return `${columnSql(other, pair.other)} ${equals} ${columnSql(own, pair.own)}`;
  }).join(" and ");
}

/** A composite's every attribute, for reads that take whole relations. */
export function wholeComposite(composite: CompositeType, pg: boolean): Selection[] {
  return composite.attributes.map((column) => wholeColumn(column, pg));
}

/** A column with all its parts, under GraphQL's name or PostgreSQL's. */
export function wholeColumn(column: Column, pg: boolean): Selection {
  const type = column.type.kind === "array" ? column.type.item : column.type;
  return {
    kind: "column",
    name: pg ? column.column : column.name,
    column,
    parts: type.kind === "composite" ? wholeComposite(type.composite, pg) : [],
  };
}
