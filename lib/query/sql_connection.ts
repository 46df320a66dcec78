/**
 * A page of rows -> SQL. The page is read once, with one row more than asked for, which tells whether
 * another follows; what is asked of it is taken from there.
 */

import { BIG_INT } from "./aggregates.ts";
import { orderDigest } from "./cursors.ts";
import { comparable, operator } from "./operators.ts";
import {
  type ConnectionRead,
  type ConnectionSelection,
  type Cursor,
  type EdgeSelection,
  ORDER_DIRECTIONS,
  type OrderDirection,
  type OrderTerm,
  type PageSelection,
  type Selection,
} from "./read_plan.ts";
import { type LeafType, RECORD_ARRAY_OID, RECORD_OID } from "./schema.ts";
import type { RowCompiler } from "./sql_aggregate.ts";
import {
  columnSql,
  type CompiledSelect,
  type Item,
  leafField,
  limitSql,
  linkedScope,
  readAs,
  recordsField,
  relationSql,
  rowSql,
  type Scope,
} from "./sql_parts.ts";

/** What the compiler of rows lends for pages. */
export interface NodeCompiler extends RowCompiler {
  scope(relation: ConnectionRead["relation"]): Scope;
  items(selection: readonly Selection[], scope: Scope): Item[];
}

/** The select of one row that holds a page. */
export function connectionSql(read: ConnectionRead, rows: NodeCompiler): CompiledSelect {
  return new ConnectionCompiler(read, rows).select();
}

const BOOLEAN = 16;
const TEXT = 25;

class ConnectionCompiler {
  readonly #scope: Scope;
  /** Columns of the page beside the row's number. */
  readonly #columns: string[] = [];
  #cursor: string | null = null;

  constructor(private readonly read: ConnectionRead, private readonly rows: NodeCompiler) {
    this.#scope = rows.scope(read.relation);
  }

  select(): CompiledSelect {
    const { read } = this;
    const items = read.selection.map((part) => this.#part(part));
    const order = read.order.map((term) => this.#orderTerm(term, read.backwards)).join(", ");
    const where = [...this.#where(this.#scope), ...this.#within(this.#scope)];
    const limit = limitSql(read.count === null ? null : read.count + 1);
    const page = `select pg_catalog.row_number() over (order by ${order}) as i` +
      this.#columns.map((sql, i) => `, ${sql} as c${i}`).join("") +
      ` from ${relationSql(read.relation)} ${this.#scope.alias}${this.#scope.joins.join("")}` +
      (where.length > 0 ? ` where ${where.join(" and ")}` : "") +
      ` order by ${order}${limit}`;
    const columns = items.flatMap(({ sql }) => sql ?? []).join(", ");
    return {
      fields: items.map(({ field }) => field),
      resultTypes: items.flatMap(({ sql, oid }) => sql === null ? [] : oid),
      select: () => `with p as materialized (${page}) select ${columns}`,
    };
  }

  #part(part: ConnectionSelection): Item {
    switch (part.kind) {
      case "constant":
        return { sql: null, oid: 0, field: part };
      case "totalCount":
        return scalar(part.name, BIG_INT, false, this.#total());
      case "nodes":
        return this.#list(part.name, this.rows.items(part.selection, this.#scope));
      case "edges":
        return this.#list(part.name, part.parts.map((inner) => this.#edge(inner)));
      case "pageInfo":
        return record(part.name, part.parts.map((inner) => this.#pageInfo(inner)));
      default:
        return part satisfies never;
    }
  }

  #edge(part: EdgeSelection): Item {
    switch (part.kind) {
      case "constant":
        return { sql: null, oid: 0, field: part };
      case "cursor":
        return text(part.name, false, this.#cursorSql());
      case "node":
        return record(part.name, this.rows.items(part.selection, this.#scope));
      default:
        return part satisfies never;
    }
  }

  /** Rows of the page in the order asked for, which is the other way round where it goes backwards. */
  #list(name: string, items: readonly Item[]): Item {
    const column = this.#column(rowSql(items));
    const direction = this.read.backwards ? " desc" : "";
    const field = recordsField(name, items.map((item) => item.field));
    const sql = `array(select ${column} from p${this.#onPage(" where ")} order by p.i${direction})`;
    return { sql, oid: RECORD_ARRAY_OID, field };
  }

  #pageInfo(part: PageSelection): Item {
    const { backwards, after, before } = this.read;
    switch (part.kind) {
      case "constant":
        return { sql: null, oid: 0, field: part };
      case "hasNextPage":
        return boolean(part.name, backwards ? this.#beyond(before) : this.#more());
      case "hasPreviousPage":
        return boolean(part.name, backwards ? this.#more() : this.#beyond(after));
      case "startCursor":
        return text(part.name, true, this.#cursorAt(backwards ? "last" : "first"));
      case "endCursor":
        return text(part.name, true, this.#cursorAt(backwards ? "first" : "last"));
      default:
        return part satisfies never;
    }
  }

  #onPage(word: string): string {
    const { count } = this.read;
    return count === null ? "" : `${word}p.i <= ${count}`;
  }

  /** Whether a row follows that the count has cut off. */
  #more(): string {
    const { count, backwards, after, before } = this.read;
    if (count !== null) return `exists(select from p where p.i > ${count})`;
    return this.#beyond(backwards ? after : before);
  }

  /** Whether there are rows on the other side of the cursor, its own among them. */
  #beyond(cursor: Cursor | null): string {
    if (cursor === null) return "false";
    const scope = this.rows.scope(this.read.relation);
    const conditions = [
      ...this.#where(scope),
      `(${this.#past(cursor, scope)}) is not true`,
    ];
    return `exists(select from ${relationSql(this.read.relation)} ${scope.alias}` +
      `${scope.joins.join("")} where ${conditions.join(" and ")})`;
  }

  #total(): string {
    const scope = this.rows.scope(this.read.relation);
    const where = this.#where(scope).map((condition) => ` where ${condition}`).join("");
    return `(select pg_catalog.count(*) from ${
      relationSql(this.read.relation)
    } ${scope.alias}${where})`;
  }

  #cursorAt(end: "first" | "last"): string {
    const cursor = this.#column(this.#cursorSql());
    const order = end === "first" ? "" : " desc";
    return `(select ${cursor} from p${this.#onPage(" where ")} order by p.i${order} limit 1)`;
  }

  #cursorSql(): string {
    if (this.#cursor !== null) return this.#cursor;
    const { relation, order } = this.read;
    const digest = this.rows.parameters.add(orderDigest(relation, order), `"pg_catalog"."text"`);
    const values = order.map((term) =>
      `, ${this.#termSql(term, this.#scope)}::"pg_catalog"."text"`
    );
    const bytes = `pg_catalog.convert_to(pg_catalog.json_build_array(${digest}${
      values.join("")
    })::"pg_catalog"."text", 'UTF8')`;
    // Base64 for URLs, without the lines and the padding of MIME's.
    this.#cursor = `pg_catalog.translate(pg_catalog.encode(${bytes}, 'base64'), E'+/\\n=', '-_')`;
    return this.#cursor;
  }

  #column(sql: string): string {
    const known = this.#columns.indexOf(sql);
    return `p.c${known >= 0 ? known : this.#columns.push(sql) - 1}`;
  }

  #where(scope: Scope): string[] {
    const { where } = this.read;
    return where ? [this.rows.condition(where, scope)] : [];
  }

  #within(scope: Scope): string[] {
    const { after, before } = this.read;
    return [
      ...after ? [`(${this.#past(after, scope)})`] : [],
      ...before ? [`(${this.#past(before, scope)})`] : [],
    ];
  }

  /** The rows behind a cursor of `after`, or in front of one of `before`. */
  #past(cursor: Cursor, scope: Scope): string {
    const isBefore = cursor.place === "before";
    const terms = this.read.order.map((term, i) => ({
      sql: this.#termSql(term, scope),
      type: term.column.type as LeafType,
      direction: isBefore ? reversed(term.direction) : term.direction,
      value: cursor.values[i] ?? null,
    }));
    // Each term decides where all before it are equal.
    return terms.reduceRight((rest, { sql, type, direction, value }) => {
      const parameter = () => this.rows.parameters.add(value ?? "", type.sqlType, cursor.place);
      const nullsFirst = /^DESC$|NULLS_FIRST$/.test(direction);
      if (value === null) {
        // Behind a null are the other values where nulls come first, and else nothing.
        const equal = rest === "" ? "" : `(${sql} is null and ${rest})`;
        if (!nullsFirst) return equal || "false";
        return `(${sql} is not null${equal && ` or ${equal}`})`;
      }
      const symbol = direction.startsWith("ASC") ? ">" : "<";
      const behind = `${sql} ${operator(type, symbol)} ${parameter()}`;
      const equal = rest && ` or (${sql} ${operator(type, "=")} ${parameter()} and ${rest})`;
      return `(${behind}${nullsFirst ? "" : ` or ${sql} is null`}${equal})`;
    }, "");
  }

  #termSql(term: OrderTerm, scope: Scope): string {
    const own = linkedScope(term.links, scope, () => this.rows.nextAlias());
    return comparable(columnSql(own, term.column), term.column, term.column.type as LeafType);
  }

  #orderTerm(term: OrderTerm, backwards: boolean): string {
    const direction = backwards ? reversed(term.direction) : term.direction;
    return `${this.#termSql(term, this.#scope)} ${ORDER_DIRECTIONS[direction]}`;
  }
}

/** The same order from its end. */
function reversed(direction: OrderDirection): OrderDirection {
  return REVERSED[direction];
}

const REVERSED: Readonly<Record<OrderDirection, OrderDirection>> = {
  ASC: "DESC",
  DESC: "ASC",
  ASC_NULLS_FIRST: "DESC_NULLS_LAST",
  ASC_NULLS_LAST: "DESC_NULLS_FIRST",
  DESC_NULLS_FIRST: "ASC_NULLS_LAST",
  DESC_NULLS_LAST: "ASC_NULLS_FIRST",
};

function scalar(name: string, type: LeafType, nullable: boolean, sql: string): Item {
  return {
    sql: readAs(sql, type, ""),
    oid: type.oid,
    field: leafField(name, nullable, type, type.oid),
  };
}

function boolean(name: string, sql: string): Item {
  return {
    sql,
    oid: BOOLEAN,
    field: { kind: "scalar", name, nullable: false, type: { kind: "bool" }, oid: BOOLEAN },
  };
}

function text(name: string, nullable: boolean, sql: string): Item {
  return {
    sql,
    oid: TEXT,
    field: { kind: "scalar", name, nullable, type: { kind: "text" }, oid: TEXT },
  };
}

function record(name: string, items: readonly Item[]): Item {
  return {
    sql: rowSql(items),
    oid: RECORD_OID,
    field: {
      kind: "object",
      name,
      nullable: false,
      oid: RECORD_OID,
      fields: items.map((item) => item.field),
    },
  };
}
