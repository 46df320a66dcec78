/**
 * Catalogs made by hand, for tests without a database. A table is written nearly as in SQL:
 *
 *     catalogOf({
 *       types: { mood: { labels: ["happy", "sad"] } },
 *       tables: { users: "id uuid! key, name text", orders: "id int8! key, user_id uuid" },
 *       foreignKeys: ["orders_user_fkey: orders(user_id) -> users(id)"],
 *     })
 */

import type {
  Catalog,
  CatalogColumn,
  CatalogForeignKey,
  CatalogRelation,
  CatalogType,
  CatalogTypeForm,
  RelationKind,
} from "../../../lib/query/catalog.ts";
import type { Database } from "../../../lib/query/database.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { Plan, QueryEngine, QueryRequest } from "../../../lib/query/query_engine.ts";
import type { SqlStatement } from "../../../lib/query/database.ts";

/** Columns, or columns with what else a relation can have. */
export type TableSpec = string | {
  readonly columns: string;
  readonly kind?: RelationKind;
  readonly comment?: string;
  readonly rows?: number;
};

export type TypeSpec =
  | { readonly labels: readonly string[] }
  | { readonly domain: string }
  | { readonly attributes: string }
  | { readonly other: true; readonly orderable?: boolean };

export interface CatalogSpec {
  /** Names may have a schema, `archive.orders`; without one it is public. */
  readonly tables: Readonly<Record<string, TableSpec>>;
  readonly types?: Readonly<Record<string, TypeSpec>>;
  /** `name: orders(user_id) -> users(id)` */
  readonly foreignKeys?: readonly string[];
}

// deno-fmt-ignore: a table reads best as one
const BUILT_IN: readonly (readonly [name: string, oid: number, arrayOid: number, orderable: boolean])[] = [
  ["bool", 16, 1000, true], ["bytea", 17, 1001, true], ["char", 18, 1002, true],
  ["name", 19, 1003, true], ["int8", 20, 1016, true], ["int2", 21, 1005, true],
  ["int4", 23, 1007, true], ["text", 25, 1009, true], ["json", 114, 199, false],
  ["xml", 142, 143, false], ["point", 600, 1017, false], ["float4", 700, 1021, true],
  ["float8", 701, 1022, true], ["money", 790, 791, true], ["inet", 869, 1041, true],
  ["bpchar", 1042, 1014, true], ["varchar", 1043, 1015, true], ["date", 1082, 1182, true],
  ["time", 1083, 1183, true], ["timestamp", 1114, 1115, true],
  ["timestamptz", 1184, 1185, true], ["interval", 1186, 1187, true],
  ["timetz", 1266, 1270, true], ["numeric", 1700, 1231, true], ["uuid", 2950, 2951, true],
  ["tsvector", 3614, 3643, true], ["jsonb", 3802, 3807, true], ["int4range", 3904, 3905, true],
];

/** The catalog of a database that looks so. */
export function catalogOf(spec: CatalogSpec): Catalog {
  const types = new Map<number, CatalogType>();
  const oids = new Map<string, number>();
  let nextOid = 20_000;
  const addType = (schema: string, name: string, orderable: boolean, form: CatalogTypeForm) => {
    const oid = nextOid++;
    types.set(oid, { oid, schema, name, comment: null, orderable, ...form } as CatalogType);
    return oid;
  };
  const addArray = (schema: string, name: string, itemOid: number) => {
    const oid = addType(schema, `_${name}`, true, { form: "array", itemOid });
    oids.set(`${name}[]`, oid);
  };
  for (const [name, oid, arrayOid, orderable] of BUILT_IN) {
    const common = { schema: "pg_catalog", comment: null, orderable };
    types.set(oid, { oid, name, form: "base", ...common });
    types.set(arrayOid, {
      oid: arrayOid,
      name: `_${name}`,
      form: "array",
      itemOid: oid,
      ...common,
    });
    oids.set(name, oid);
    oids.set(`${name}[]`, arrayOid);
  }
  const typeOf = (text: string) => {
    const match = /^(.*?)(?:\((\d+),(-?\d+)\))?(\[\])?$/.exec(text);
    const name = `${match?.[1]}${match?.[4] ?? ""}`;
    const oid = oids.get(name);
    if (oid === undefined) throw new Error(`the fixture has no type ${name}`);
    const scale = Number(match?.[3]) & 0x7ff;
    return { oid, modifier: match?.[2] ? (Number(match[2]) << 16 | scale) + 4 : -1 };
  };
  const columnsOf = (text: string) => {
    const key: number[] = [];
    const columns = text.split(/,\s+/).map((part, i): CatalogColumn => {
      const match = /^(?:"(.*)"|(\S+)) (\S+?)(!?)( key)?$/.exec(part);
      if (!match) throw new Error(`the fixture cannot read the column ${part}`);
      const { oid, modifier } = typeOf(match[3] ?? "");
      if (match[5]) key.push(i + 1);
      return {
        number: i + 1,
        name: match[1] ?? match[2] ?? "",
        typeOid: oid,
        typeModifier: modifier,
        notNull: match[4] === "!",
        comment: null,
      };
    });
    return { columns, key: key.length > 0 ? key : null };
  };

  for (const [full, type] of Object.entries(spec.types ?? {})) {
    const [schema, name] = split(full);
    const oid = addType(schema, name, !("other" in type) || type.orderable === true, formOf(type));
    oids.set(full, oid);
    addArray(schema, full, oid);
  }
  function formOf(type: TypeSpec): CatalogTypeForm {
    if ("labels" in type) return { form: "enum", labels: type.labels };
    if ("attributes" in type) {
      return { form: "composite", attributes: columnsOf(type.attributes).columns };
    }
    if ("other" in type) return { form: "other" };
    const { oid, modifier } = typeOf(type.domain);
    return { form: "domain", baseOid: oid, baseModifier: modifier };
  }

  const relations = Object.entries(spec.tables).map(([full, table], i): CatalogRelation => {
    const [schema, name] = split(full);
    const more = typeof table === "string" ? { columns: table } : table;
    return {
      oid: 10_000 + i,
      schema,
      name,
      kind: more.kind ?? "table",
      comment: more.comment ?? null,
      rowsEstimate: more.rows ?? null,
      ...columnsOf(more.columns),
    };
  });
  const find = (full: string) => {
    const [schema, name] = split(full);
    const found = relations.find((row) => row.schema === schema && row.name === name);
    if (!found) throw new Error(`the fixture has no table ${full}`);
    return found;
  };
  const foreignKeys = (spec.foreignKeys ?? []).map((text): CatalogForeignKey => {
    const match = /^(.*): (.*)\((.*)\) -> (.*)\((.*)\)$/.exec(text);
    const [, name = "", source = "", own = "", target = "", other = ""] = match ?? [];
    const numbers = (relation: CatalogRelation, names: string) =>
      names.split(", ").map((column) =>
        relation.columns.find((row) => row.name === column)?.number ?? 0
      );
    const [from, to] = [find(source), find(target)];
    return {
      name,
      comment: null,
      sourceOid: from.oid,
      sourceColumns: numbers(from, own),
      targetOid: to.oid,
      targetColumns: numbers(to, other),
    };
  });
  return { relations, types, foreignKeys };
}

function split(full: string): [schema: string, name: string] {
  const match = /^(archive|public)\.(.*)$/s.exec(full);
  return match ? [match[1] ?? "", match[2] ?? ""] : ["public", full];
}

/** A shop that most tests ask: every kind of link, and every family of types. */
export const SHOP: CatalogSpec = {
  types: {
    status: { labels: ["new", "paid"] },
    odd_status: { labels: ["in progress", "done"] },
    address: { attributes: "street text, zip int4" },
    email: { domain: "text" },
  },
  tables: {
    users: {
      columns: "id uuid! key, name text!, email email, manager_id uuid, home address",
      comment: "People",
      rows: 7,
    },
    orders: "id int8! key, user_id uuid!, status status!, total numeric(10,2), tags text[], " +
      "extra jsonb, at timestamptz, places address[]",
    things:
      "b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, c bpchar, " +
      "u uuid, j json, jb jsonb, bytes bytea, d date, tm time, ts timestamp, tz timestamptz, " +
      "iv interval, st status, odd odd_status, net inet, pt point, dom email, days date[], doms email[]",
    va_orders: { columns: "id int8, status status, total numeric(10,2), data jsonb", kind: "view" },
    secrets: { columns: "id int8, word text", kind: "view" },
  },
  foreignKeys: [
    "orders_user_fkey: orders(user_id) -> users(id)",
    "users_manager_fkey: users(manager_id) -> users(id)",
  ],
};

/** A database that nobody may ask. */
export const NO_DATABASE: Database = {
  rows: () => {
    throw new Error("a test without a database asked for rows");
  },
  query: () => Promise.reject(new Error("a test without a database asked it")),
  holdTable: () => Promise.reject(new Error("a test without a database held a table")),
  ping: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

export interface EngineSpec {
  readonly limits?: Partial<Limits>;
  readonly unrepresentable?: "error" | "null";
  readonly views?: readonly string[];
}

/** An engine that plans, and has no rows. */
export function engineFor(spec: CatalogSpec = SHOP, more: EngineSpec = {}): Promise<QueryEngine> {
  return openEngine({
    database: NO_DATABASE,
    readCatalog: () => Promise.resolve(catalogOf(spec)),
    limits: limits(more.limits),
    unrepresentable: more.unrepresentable ?? "error",
    views: more.views ?? [],
  });
}

/** The statements that a plan would run. */
export function statementsOf(plan: Plan): readonly SqlStatement[] {
  return (plan as Plan & { statements: readonly SqlStatement[] }).statements;
}

/** Plans one query of one statement. */
export function sqlOf(engine: QueryEngine, request: QueryRequest | string): SqlStatement {
  const plan = engine.plan(typeof request === "string" ? { text: request } : request);
  const [statement, ...more] = statementsOf(plan);
  if (!statement || more.length > 0) throw new Error("the test wants one statement");
  return statement;
}
