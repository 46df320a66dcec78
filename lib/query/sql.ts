/**
 * Reads -> SQL with bind parameters, and the shape of their rows.
 *
 * Names in the SQL come from the catalog alone, in quotes; whatever came from a client is a
 * parameter with a cast. A related row is a LEFT JOIN and arrives as a `record`, related rows are a
 * correlated `array(select row(...))`, so that one operation field is one statement.
 */

import type { ObjectField, ResultField } from "../arrow/result_field.ts";
import type { SqlStatement } from "./database.ts";
import { operatorSql, pathSql } from "./operators.ts";
import {
  type AggregateRead,
  type Condition,
  type ConnectionRead,
  ORDER_DIRECTIONS,
  type OrderTerm,
  type Read,
  type Selection,
} from "./read_plan.ts";
import {
  type Column,
  type CompositeType,
  type Link,
  RECORD_ARRAY_OID,
  RECORD_OID,
  type Relation,
} from "./schema.ts";
import { aggregateSql } from "./sql_aggregate.ts";
import { connectionSql, type NodeCompiler } from "./sql_connection.ts";
import {
  columnSql,
  type CompiledSelect,
  isOrderable,
  type Item,
  leafField,
  limitSql,
  linkedScope,
  linkSql,
  offsetSql,
  Parameters,
  partSql,
  readAs,
  recordsField,
  relationSql,
  rowSql,
  Scope,
  targetSql,
} from "./sql_parts.ts";

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
  return compileWith(options, (compiler) => compiler.read(read, null));
}

/** The statement of a root field that gives groups of rows. */
export function compileAggregate(read: AggregateRead, options: CompileOptions): CompiledRead {
  return compileWith(options, (compiler) => aggregateSql(read, compiler, null));
}

/** The statement of a root field that gives a page of rows: one row that holds them. */
export function compileConnection(read: ConnectionRead, options: CompileOptions): CompiledRead {
  return compileWith(options, (compiler) => connectionSql(read, compiler));
}

function compileWith(
  options: CompileOptions,
  compile: (compiler: Compiler) => CompiledSelect,
): CompiledRead {
  const compiler = new Compiler(new Parameters(), options);
  const { select, fields, resultTypes } = compile(compiler);
  // Another text is another statement. Else each connection would refuse once more what it prepared
  // before a table changed, and not even plan again where a composite did.
  const again = options.generation ? ` /* schema ${options.generation} */` : "";
  const text = select("plain") + again;
  const { values: parameters, places } = compiler.parameters;
  return { statement: { text, parameters, places, resultTypes }, fields };
}

class Compiler implements NodeCompiler {
  #aliases = 0;

  constructor(
    readonly parameters: Parameters,
    private readonly options: CompileOptions,
  ) {}

  readonly nextAlias = () => `t${this.#aliases++}`;

  scope(relation: Relation): Scope {
    return new Scope(relation, this.nextAlias());
  }

  items(selection: readonly Selection[], scope: Scope): Item[] {
    return selection.map((part) => this.#item(part, scope, scope));
  }

  /** The select of a read; `parent` is where its link hangs. */
  read(
    read: Read,
    parent: { readonly scope: Scope; readonly link: Link } | null,
  ): CompiledSelect {
    const scope = this.scope(read.relation);
    // Parameters are numbered in the order of the text: select list, conditions, order, offset.
    const items = this.items(read.selection, scope);
    const conditions = [
      ...parent ? [linkSql(parent.link, parent.scope, scope)] : [],
      ...read.where ? [this.condition(read.where, scope)] : [],
      ...this.#range(read, scope),
    ];
    const order = this.#order(read, scope, parent !== null);
    const limit = limitSql(read.limit) + offsetSql(this.parameters, read.offset);
    const distinct = (read.distinctOn ?? []).map((column) => columnSql(scope, column)).join(", ");
    const first = distinct && `distinct on (${distinct}) `;
    const columns = items.flatMap((item) => item.sql ?? []).join(", ");
    return {
      fields: items.map((item) => item.field),
      resultTypes: items.flatMap((item) => item.sql === null ? [] : item.oid),
      select: (form) => {
        const list = form === "record" ? `row(${columns})` : columns;
        const only = read.range ? "only " : "";
        const rest =
          ` from ${only}${relationSql(read.relation)} ${scope.alias}${scope.joins.join("")}` +
          (conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "") + order + limit;
        // DISTINCT wants something to select, where a row may have no column.
        return first && list === ""
          ? `select from (select ${first}true${rest}) ${this.nextAlias()}`
          : `select ${first}${list}${rest}`;
      },
    };
  }

  /** PostgreSQL reads the pages of such a range alone (a TID Range Scan). */
  #range({ range }: Read, scope: Scope): string[] {
    if (!range) return [];
    const bound = (operator: string, page: number) =>
      `${scope.alias}.ctid ${operator} ${this.parameters.add(`(${page},0)`, `"pg_catalog"."tid"`)}`;
    return [
      ...range.from > 0 ? [bound(">=", range.from)] : [],
      ...range.to !== null ? [bound("<", range.to)] : [],
    ];
  }

  #order(read: Read, scope: Scope, nested: boolean): string {
    const distinctOn = read.distinctOn ?? [];
    const bounded = nested || read.limit !== null || read.offset !== null || distinctOn.length > 0;
    if (read.order.length === 0 && !bounded) return "";
    const terms = read.order.map((term) => this.#orderTerm(term, scope));
    const named = new Set(
      read.order.filter((term) => term.links.length === 0).map((term) => term.column),
    );
    // The key comes last, so that equal rows have one order and pages do not overlap.
    const ties = [...new Set([...distinctOn, ...read.relation.key])]
      .filter((column) => !named.has(column) && isOrderable(column));
    const all = [...terms, ...ties.map((column) => columnSql(scope, column))];
    return all.length > 0 ? ` order by ${all.join(", ")}` : "";
  }

  #orderTerm(term: OrderTerm, root: Scope): string {
    const scope = linkedScope(term.links, root, this.nextAlias);
    return `${columnSql(scope, term.column)} ${ORDER_DIRECTIONS[term.direction]}`;
  }

  #item(selection: Selection, scope: Scope, root: Scope): Item {
    switch (selection.kind) {
      case "constant":
        return { sql: null, oid: 0, field: selection };
      case "column":
        return this.#columnItem(selection, columnSql(scope, selection.column));
      case "aggregates": {
        const inner = aggregateSql(selection.read, this, { scope, link: selection.link });
        return recordsItem(selection.name, inner);
      }
      case "one":
        return this.#oneItem(selection, scope, root);
      case "many": {
        return recordsItem(
          selection.name,
          this.read(selection.read, { scope, link: selection.link }),
        );
      }
      default:
        return selection satisfies never;
    }
  }

  #oneItem(selection: Selection & { kind: "one" }, scope: Scope, root: Scope): Item {
    const other = scope.join(selection.link, this.nextAlias, root);
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
        if (selection.path) return this.#pathItem(selection, sql, selection.path);
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
          sql: this.#compositeArraySql(sql, selection.parts, isJsonObject(item.composite)),
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

  /** What is at a path of JSON; where nothing is, JSON's own null stands in a column without SQL's. */
  #pathItem(
    { name, column: { nullable } }: Selection & { kind: "column" },
    sql: string,
    path: readonly string[],
  ): Item {
    const found = pathSql(sql, path, name, this.parameters);
    return {
      sql: nullable ? found : `coalesce(${found}, 'null'::"pg_catalog"."jsonb")`,
      oid: JSONB_OID,
      field: { kind: "scalar", name, nullable, type: { kind: "jsonb" }, oid: JSONB_OID },
    };
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
    return parts.map((part) =>
      part.kind === "column"
        ? this.#columnItem(part, partSql(sql, part.column))
        : { sql: null, oid: 0, field: part as Selection & { kind: "constant" } }
    );
  }

  /** An array of more than one dimension goes out as one, for the encoders to refuse. */
  #compositeArraySql(sql: string, parts: readonly Selection[], isJson: boolean): string {
    const i = `i${this.#aliases++}`;
    // Objects in JSON have one dimension, and taking each by its index would make all of them anew.
    if (isJson) {
      return `case when ${sql} is not null then array(select ${
        this.#compositeSql(`${i}.e`, parts)
      } ` +
        `from pg_catalog.unnest(${sql}) with ordinality ${i}(e, n) order by ${i}.n) end`;
    }
    const element = this.#compositeSql(`(${sql})[${i}]`, parts);
    return `case when ${sql} is null then null ` +
      `when pg_catalog.array_ndims(${sql}) > 1 then array[array[row()]] ` +
      `else array(select ${element} from pg_catalog.generate_subscripts(${sql}, 1) ${i} order by ${i}) end`;
  }

  condition(condition: Condition, scope: Scope): string {
    switch (condition.kind) {
      case "and":
      case "or": {
        const parts = condition.items.map((item) => this.condition(item, scope));
        if (parts.length === 1) return parts[0] ?? "";
        if (parts.length === 0) return condition.kind === "and" ? "true" : "false";
        return `(${parts.join(` ${condition.kind} `)})`;
      }
      case "not":
        return `not (${this.condition(condition.item, scope)})`;
      case "link": {
        const other = new Scope(condition.link.target, this.nextAlias());
        const inner = this.condition(condition.item, other);
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

const JSONB_OID = 3802;

/** A nested select as an array of its records. */
function recordsItem(name: string, { select, fields }: CompiledSelect): Item {
  const sql = `array(${select("record")})`;
  return { sql, oid: RECORD_ARRAY_OID, field: recordsField(name, fields) };
}

function conditionColumn(columns: readonly Column[], scope: Scope): string {
  return columns.reduce(
    (sql, column) => sql === "" ? columnSql(scope, column) : partSql(sql, column),
    "",
  );
}

const isJsonObject = ({ attributes }: CompositeType) =>
  attributes.some((attribute) => attribute.expression !== undefined);

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
