/**
 * The plain SQL for a query, and the shape of its answer: one JSON value, made by PostgreSQL. Shares
 * nothing with the planner; related rows are subqueries of their own, conditions on them EXISTS.
 */

import type { Unrepresentable } from "./answers.ts";
import { aggregateSql } from "./oracle_aggregate.ts";
import { conditionSql, linkSql } from "./oracle_condition.ts";
import type { Column, Order, Query, Reading, Selected, Table, Type, World } from "./model.ts";
import { columnOf, linkOf, missing, tableOf } from "./model.ts";
import { columnName, type LinkNames, linkNames, quoted, relationNames } from "./names.ts";
import type { Field, LeafShape, Shape } from "./shape.ts";
import { castSql, literal } from "./ddl.ts";
import { compositeRow, leafRow, type TypeRow, typeRow } from "./types.ts";

export interface Asked {
  /** Gives one row of one column, JSON. */
  readonly sql: string;
  readonly shape: Shape;
}

export interface Options {
  readonly unrepresentable: Unrepresentable;
}

/** What the answer must be. */
export function ask(world: World, query: Query, options: Options): Asked {
  return new Oracle(world, options).ask(query);
}

/** SQL of a value's JSON and its shape. */
export interface Made {
  readonly sql: string;
  readonly shape: Shape;
}

/** A table under a name of its own in the statement. */
export interface At {
  readonly table: Table;
  readonly alias: string;
}

export class Oracle {
  readonly names: LinkNames;
  /** Parts of composites by PostgreSQL's names, as columns of a view are. */
  private ownNames = false;
  #aliases = 0;

  constructor(readonly world: World, readonly options: Options) {
    this.names = linkNames(world);
  }

  at(table: string): At {
    return { table: tableOf(this.world, table), alias: `x${this.#aliases++}` };
  }

  ask(query: Query): Asked {
    const at = this.at(query.table);
    switch (query.kind) {
      case "list": {
        const { sql, shape } = this.list(at, query, query.select, null);
        return { sql: `select ${sql}::text`, shape };
      }
      case "connection": {
        const reading = { ...query, limit: null, offset: null, distinctOn: [] };
        const { sql, shape } = this.list(at, reading, query.select, null);
        return { sql: `select ${sql}::text`, shape: { ...shape, ordered: true } as Shape };
      }
      case "view": {
        const select = at.table.columns.map(({ name, type }): Selected => ({
          kind: "column",
          alias: name,
          column: name,
          parts: isComposite(type) ? compositeRow(type.name).parts.map(([part]) => part) : [],
          path: null,
        }));
        this.ownNames = true;
        const { sql, shape } = this.list(at, { ...query, distinctOn: [] }, select, null);
        return { sql: `select ${sql}::text`, shape };
      }
      case "row": {
        const { sql, shape } = this.object(at, query.select);
        const found = (at.table.key?.columns ?? missing("key")).map((name, i) => {
          const { type } = columnOf(at.table, name);
          const operand = query.key[i] ?? missing("key");
          return `${columnSql(at, name)} = ${literal(operand.sql)}::${castSql(type)}`;
        });
        return {
          sql: `select (select ${sql} from ${fromSql(at)} where ${found.join(" and ")})::text`,
          shape: { ...shape, nullable: true } as Shape,
        };
      }
      case "aggregate": {
        const { sql, shape } = aggregateSql(this, at, query, null);
        return { sql: `select ${sql}::text`, shape };
      }
      default:
        return query satisfies never;
    }
  }

  /** Rows as a JSON array; `parent` is the condition that they belong to one. */
  list(at: At, reading: Reading, select: readonly Selected[], parent: string | null): Made {
    const { sql, shape } = this.object(at, select);
    const conditions = [
      ...parent === null ? [] : [parent],
      ...reading.where === null ? [] : [conditionSql(this, at, reading.where)],
    ];
    const distinct = reading.distinctOn.map((name) => columnSql(at, name));
    const ties = at.table.key?.columns ?? [];
    const order = [
      ...reading.orderBy.map((term) => this.orderSql(at, term)),
      ...reading.orderBy.length === 0 ? distinct : [],
      ...ties.map((name) => columnSql(at, name)),
    ];
    const rows = `select ${distinct.length > 0 ? `distinct on (${distinct.join(", ")}) ` : ""}` +
      `${sql} from ${fromSql(at)}` +
      (conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "") +
      (order.length > 0 ? ` order by ${order.join(", ")}` : "") +
      (reading.limit === null ? "" : ` limit ${reading.limit}`) +
      (reading.offset === null ? "" : ` offset ${reading.offset}`);
    const isAsked = parent !== null || reading.orderBy.length > 0 || reading.limit !== null ||
      reading.offset !== null;
    // Without a key ties have no order.
    const ordered = isAsked && ties.length > 0;
    return {
      sql: `array_to_json(array(${rows}))`,
      shape: { kind: "list", ordered, nullable: false, item: shape },
    };
  }

  private orderSql(at: At, { links, column, direction }: Order): string {
    const [, word, nulls] = /^(ASC|DESC)(?:_NULLS_(FIRST|LAST))?$/.exec(direction) ?? [];
    return `${this.along(at, links, column)} ${word}` + (nulls ? ` nulls ${nulls}` : "");
  }

  private along(at: At, links: readonly string[], column: string): string {
    const [first, ...more] = links;
    if (first === undefined) return columnSql(at, column);
    const link = linkOf(at.table, first);
    const other = this.at(link.target);
    return `(select ${this.along(other, more, column)} from ${fromSql(other)} where ${
      linkSql(at, link, other)
    })`;
  }

  object(at: At, select: readonly Selected[]): Made {
    const made = select.map((selected) => this.selected(at, selected));
    const names = new Set(made.map(({ name }) => name));
    if (names.size < made.length) missing("name for each field");
    const pairs = made.map(({ name, sql }) => `${literal(name)}, ${sql}`);
    return {
      sql: `json_build_object(${pairs.join(", ")})`,
      shape: {
        kind: "object",
        nullable: false,
        fields: made.map(({ name, shape }): Field => ({ name, shape })),
      },
    };
  }

  private columnJson(column: Column, sql: string, parts: readonly string[]): Made {
    return valueJson(column.type, sql, parts, this.canBeNull(column), this.ownNames);
  }

  /** NULL, or a value that the answer has null for. */
  canBeNull({ type, notNull }: Column): boolean {
    if (!notNull) return true;
    if (this.options.unrepresentable === "error" || type.kind === "composite") return false;
    return type.kind !== "leaf" || typeRow(type.name).unrepresentable.length > 0;
  }

  private selected(at: At, selected: Selected): Made & { readonly name: string } {
    const name = responseName(this.names, at.table, selected);
    switch (selected.kind) {
      case "typename":
        return {
          name,
          sql: `${literal(relationNames(at.table.name).typeName)}::text`,
          shape: { kind: "leaf", form: "string", arrow: "string", nullable: false },
        };
      case "column": {
        const column = columnOf(at.table, selected.column);
        const sql = columnSql(at, selected.column);
        if (selected.path !== null) {
          const path = `array[${selected.path.map(literal).join(", ")}]::text[]`;
          // Where nothing is, JSON's own null stands in a column that has none of SQL's.
          const nullable = this.canBeNull(column);
          return {
            name,
            sql: nullable ? `${sql} #> ${path}` : `coalesce(${sql}::jsonb #> ${path}, 'null')`,
            shape: leafShape(leafRow(column.type), nullable),
          };
        }
        return { name, ...this.columnJson(column, sql, selected.parts) };
      }
      case "one": {
        const link = linkOf(at.table, selected.link);
        const other = this.at(link.target);
        const { sql, shape } = this.object(other, selected.select);
        return {
          name,
          sql: `(select ${sql} from ${fromSql(other)} where ${linkSql(at, link, other)})`,
          shape: { ...shape, nullable: true } as Shape,
        };
      }
      case "many":
      case "manyAggregate": {
        const other = this.at(selected.source);
        const parent = linkSql(other, linkOf(other.table, selected.link), at);
        return selected.kind === "many"
          ? { name, ...this.list(other, selected, selected.select, parent) }
          : { name, ...aggregateSql(this, other, selected, parent) };
      }
      default:
        return selected satisfies never;
    }
  }
}

/** The name that the answer has for a selection. */
export function responseName(names: LinkNames, table: Table, selected: Selected): string {
  return selected.alias ?? fieldName(names, table, selected);
}

/** The name that the schema has for it. */
export function fieldName(names: LinkNames, table: Table, selected: Selected): string {
  switch (selected.kind) {
    case "typename":
      return "__typename";
    case "column":
      return columnName(table, selected.column);
    case "one":
      return names.one.get(selected.link) ?? missing(selected.link);
    case "many":
      return names.many.get(selected.link) ?? missing(selected.link);
    case "manyAggregate":
      return `${names.many.get(selected.link) ?? missing(selected.link)}Aggregate`;
    default:
      return selected satisfies never;
  }
}

function isComposite(type: Type): boolean {
  return type.kind === "composite" || type.kind === "composites";
}

export function fromSql(at: At): string {
  return `public.${quoted(at.table.name)} ${at.alias}`;
}

export function columnSql(at: At, name: string): string {
  columnOf(at.table, name);
  return `${at.alias}.${quoted(name)}`;
}

/** The JSON of a value; of a composite's parts those that are asked for, or all. */
function valueJson(
  type: Type,
  sql: string,
  parts: readonly string[] | null,
  nullable: boolean,
  ownNames: boolean,
): Made {
  switch (type.kind) {
    case "leaf":
      return leafJson(typeRow(type.name), sql, nullable);
    case "composite":
      return compositeJson(type.name, sql, parts, nullable, ownNames);
    case "array":
    case "composites": {
      const item: Type = { ...type, kind: type.kind === "array" ? "leaf" : "composite" };
      // Another name at each depth: the text grows.
      const i = `i${sql.length}`;
      const { sql: each, shape } = valueJson(item, `(${sql})[${i}]`, parts, true, ownNames);
      const items = `select ${each} from generate_subscripts(${sql}, 1) ${i} order by ${i}`;
      return {
        sql: `case when array_ndims(${sql}) > 1 then to_json(oracle.refuse()) else ${
          orNull(sql, `array_to_json(array(${items}))`)
        } end`,
        shape: { kind: "list", item: shape, ordered: true, nullable },
      };
    }
    default:
      return type satisfies never;
  }
}

function compositeJson(
  type: string,
  sql: string,
  asked: readonly string[] | null,
  nullable: boolean,
  ownNames: boolean,
): Made {
  const all = compositeRow(type).parts;
  const made = (asked ?? all.map(([part]) => part)).map((part) => {
    const [, name, inner] = all.find(([column]) => column === part) ?? missing(part);
    const value = valueJson(inner, `(${sql}).${quoted(part)}`, null, true, ownNames);
    return { name: ownNames ? part : name, ...value };
  });
  const pairs = made.map(({ name, sql }) => `${literal(name)}, ${sql}`);
  return {
    sql: orNull(sql, `json_build_object(${pairs.join(", ")})`),
    shape: {
      kind: "object",
      nullable,
      fields: made.map(({ name, shape }) => ({ name, shape })),
    },
  };
}

export function leafJson(row: TypeRow, sql: string, nullable: boolean): Made {
  return { sql: orNull(sql, row.json(sql)), shape: leafShape(row, nullable) };
}

/** NaN is null in JSON, so floats always can be. */
function leafShape(row: TypeRow, nullable: boolean): LeafShape {
  return {
    kind: "leaf",
    form: row.form,
    arrow: row.arrow,
    nullable: nullable || row.form === "float",
  };
}

/** A composite of nulls IS NULL and is a value all the same. */
function orNull(sql: string, json: string): string {
  return `case when ${sql} is distinct from null then ${json} end`;
}
