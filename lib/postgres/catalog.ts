/** Reads what the exposed schemas hold from PostgreSQL's own catalog. */

import { AppError } from "../errors.ts";
import type {
  Catalog,
  CatalogColumn,
  CatalogForeignKey,
  CatalogFunction,
  CatalogRelation,
  CatalogType,
  KeyMatch,
  RelationKind,
} from "../query/catalog.ts";
import type { Database } from "../query/database.ts";
import { arrayLiteral } from "../query/operators.ts";

type Row = readonly (string | null)[];

/**
 * The relations, columns, types and foreign keys that this user may read. Partitions are hidden
 * behind their root, and what an extension made is left out. A schema that does not exist is
 * `BAD_INPUT`.
 */
export async function readCatalog(
  database: Pick<Database, "query">,
  schemas: readonly string[],
): Promise<Catalog> {
  const names = arrayLiteral(schemas);
  await refuseUnknownSchemas(database, schemas);
  const [
    relationRows,
    columnRows,
    keyRows,
    typeRows,
    enumRows,
    attributeRows,
    foreignRows,
    functionRows,
  ] = await Promise.all([
    database.query(RELATIONS, [names]),
    database.query(COLUMNS, [names]),
    database.query(KEYS, [names]),
    database.query(TYPES),
    database.query(ENUMS),
    database.query(ATTRIBUTES),
    database.query(FOREIGN_KEYS, [names]),
    database.query(FUNCTIONS, [names]),
  ]);

  const columns = groupColumns(columnRows);
  const keys = new Map(keyRows.map((row) => [number(row[0]), numbers(row[1])]));
  const relations = relationRows.map((row): CatalogRelation => {
    const oid = number(row[0]);
    const own = columns.get(oid) ?? [];
    const key = keys.get(oid) ?? null;
    const seen = new Set(own.map((column) => column.number));
    return {
      oid,
      schema: text(row[1]),
      name: text(row[2]),
      kind: KINDS[text(row[3])] ?? "table",
      comment: row[4] ?? null,
      rowsEstimate: Number(row[5]) < 0 ? null : Number(row[5]),
      columns: own,
      // A key with a column that may not be read is no key for us.
      key: key?.every((column) => seen.has(column)) ? key : null,
      inherited: row[6] === "t",
    };
  }).filter((relation) => relation.columns.length > 0);

  const place = new Map(schemas.map((name, index) => [name, index]));
  relations.sort((a, b) =>
    (place.get(a.schema) ?? 0) - (place.get(b.schema) ?? 0) || compare(a.name, b.name)
  );
  return {
    relations,
    types: readTypes(typeRows, enumRows, groupColumns(attributeRows)),
    foreignKeys: foreignRows.map((row): CatalogForeignKey => ({
      name: text(row[0]),
      comment: row[1] ?? null,
      sourceOid: number(row[2]),
      sourceColumns: numbers(row[3]),
      targetOid: number(row[4]),
      targetColumns: numbers(row[5]),
      ...row[6] && { matches: readMatches(row[6]) },
      indexed: row[7] === "t",
    })),
    functions: functionRows.map((row): CatalogFunction => ({
      schema: text(row[0]),
      name: text(row[1]),
      comment: row[2] ?? null,
      relationOid: number(row[3]),
      typeOid: number(row[4]),
      returnsSet: row[5] === "t",
    })),
  };
}

/** How the columns of a key are compared; null where both are of one type and collation. */
function readMatches(json: string): (KeyMatch | null)[] {
  const matches: (Record<keyof KeyMatch, string | null> | null)[] = JSON.parse(json);
  return matches.map((match) =>
    match && {
      operator: text(match.operator),
      targetType: match.targetType,
      sourceType: match.sourceType,
      collation: match.collation,
    }
  );
}

async function refuseUnknownSchemas(
  database: Pick<Database, "query">,
  schemas: readonly string[],
): Promise<void> {
  const rows = await database.query(
    "select nspname from pg_catalog.pg_namespace where nspname !~ '^pg_(toast|temp)' order by 1",
  );
  const present = rows.map((row) => text(row[0]));
  const missing = schemas.filter((name) => !present.includes(name));
  if (missing.length === 0) return;
  throw new AppError("BAD_INPUT", `the database has no schema named ${missing.join(", ")}`, {
    hint: `FRAISEQL_DB_SCHEMAS may name: ${
      present.filter((name) => !/^pg_|^information_schema$/.test(name)).join(", ")
    }`,
  });
}

const KINDS: Readonly<Record<string, RelationKind>> = {
  r: "table",
  p: "partitioned",
  v: "view",
  m: "materialized",
  f: "foreign",
};

function readTypes(
  typeRows: readonly Row[],
  enumRows: readonly Row[],
  attributes: ReadonlyMap<number, CatalogColumn[]>,
): Map<number, CatalogType> {
  const labels = new Map<number, string[]>();
  for (const row of enumRows) {
    const oid = number(row[0]);
    labels.set(oid, [...labels.get(oid) ?? [], text(row[1])]);
  }
  const types = new Map<number, CatalogType>();
  for (const row of typeRows) {
    const oid = number(row[0]);
    const common = {
      oid,
      schema: text(row[1]),
      name: text(row[2]),
      comment: row[3] ?? null,
      orderable: row[4] === "t",
      ...row[10] && row[10] !== "pg_catalog" && { operatorSchema: row[10] },
    };
    const itemOid = number(row[6]);
    switch (text(row[5])) {
      case "array":
        types.set(oid, { ...common, form: "array", itemOid });
        break;
      case "d":
        types.set(oid, {
          ...common,
          form: "domain",
          baseOid: number(row[7]),
          baseModifier: number(row[8]),
        });
        break;
      case "e":
        types.set(oid, { ...common, form: "enum", labels: labels.get(oid) ?? [] });
        break;
      case "c":
        types.set(oid, {
          ...common,
          form: "composite",
          attributes: attributes.get(number(row[9])) ?? [],
        });
        break;
      case "b":
        types.set(oid, { ...common, form: "base" });
        break;
      default:
        types.set(oid, { ...common, form: "other" });
    }
  }
  return types;
}

function groupColumns(rows: readonly Row[]): Map<number, CatalogColumn[]> {
  const groups = new Map<number, CatalogColumn[]>();
  for (const row of rows) {
    const oid = number(row[0]);
    const column: CatalogColumn = {
      number: number(row[1]),
      name: text(row[2]),
      typeOid: number(row[3]),
      typeModifier: number(row[4]),
      notNull: row[5] === "t",
      comment: row[6] ?? null,
    };
    const group = groups.get(oid);
    if (group) group.push(column);
    else groups.set(oid, [column]);
  }
  return groups;
}

const text = (value: string | null | undefined) => value ?? "";
const number = (value: string | null | undefined) => Number(value ?? 0);
const numbers = (value: string | null | undefined) =>
  text(value).split(/[\s,]+/).filter((part) => part).map(Number);
const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;

/** Tables and their like in the given schemas, without partitions and without what extensions own. */
const EXPOSED = `
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = any($1::pg_catalog.text[])
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not c.relispartition
    and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid and d.deptype = 'e'
    )`;

const RELATIONS = `
  select c.oid, n.nspname, c.relname, c.relkind,
    pg_catalog.obj_description(c.oid, 'pg_class'),
    case when c.relkind = 'v' then -1 else c.reltuples end,
    c.relkind in ('r', 'f') and exists (
      select from pg_catalog.pg_inherits i where i.inhparent = c.oid
    )
  ${EXPOSED}`;

/** Since PostgreSQL 18 a NOT NULL can be NOT VALID, and older rows still hold nulls. */
const COLUMNS = `
  select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
    a.attnotnull and c.relkind in ('r', 'p', 'f') and not exists (
      select from pg_catalog.pg_constraint k
      where k.conrelid = c.oid and k.contype = 'n' and not k.convalidated
        and k.conkey = array[a.attnum]
    ),
    pg_catalog.col_description(a.attrelid, a.attnum)
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  where a.attrelid in (select c.oid ${EXPOSED})
    and a.attnum > 0 and not a.attisdropped
    and pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
  order by a.attrelid, a.attnum`;

/**
 * One key a relation: the primary key first, then the shortest unique index that holds no null.
 * What an index INCLUDEs stands behind its key.
 */
const KEYS = `
  select distinct on (i.indrelid) i.indrelid, pg_catalog.array_to_string(key.columns, ',')
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  cross join lateral (
    select (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] as columns
  ) key
  where i.indrelid in (select c.oid ${EXPOSED})
    and i.indisunique and i.indisvalid and i.indimmediate
    and i.indpred is null and i.indexprs is null
    and not exists (
      select from pg_catalog.unnest(key.columns) k(attnum)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where not a.attnotnull or exists (
        select from pg_catalog.pg_constraint c
        where c.conrelid = a.attrelid and c.contype = 'n' and not c.convalidated
          and c.conkey = array[a.attnum]
      )
    )
  order by i.indrelid, i.indisprimary desc, i.indnkeyatts, x.relname`;

/** By oid, not by typarray, since that has no index and every table brings two types. */
const TYPES = `
  select t.oid, n.nspname, t.typname, pg_catalog.obj_description(t.oid, 'pg_type'),
    exists (
      select from pg_catalog.pg_opclass o
      join pg_catalog.pg_am m on m.oid = o.opcmethod
      where m.amname = 'btree' and o.opcdefault and o.opcintype = case t.typtype
        when 'e' then 'pg_catalog.anyenum'::pg_catalog.regtype
        when 'r' then 'pg_catalog.anyrange'::pg_catalog.regtype
        when 'm' then pg_catalog.to_regtype('pg_catalog.anymultirange')
        -- varchar and cidr have the order of text and inet.
        else case t.oid when 1043 then 25 when 650 then 869 else t.oid end
      end
    ),
    case when e.typarray = t.oid then 'array' else t.typtype::pg_catalog.text end,
    t.typelem, t.typbasetype, t.typtypmod, t.typrelid, (
      select s.nspname from pg_catalog.pg_opclass o
      join pg_catalog.pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
      join pg_catalog.pg_amop a on a.amopfamily = o.opcfamily
        and a.amoplefttype = o.opcintype and a.amoprighttype = o.opcintype
        and a.amopstrategy = 3
      join pg_catalog.pg_operator p on p.oid = a.amopopr
      join pg_catalog.pg_namespace s on s.oid = p.oprnamespace
      where o.opcdefault and o.opcintype = t.oid limit 1
    )
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_type e on e.oid = t.typelem
  where t.typtype <> 'p' or t.typelem <> 0`;

const ENUMS = `
  select enumtypid, enumlabel from pg_catalog.pg_enum order by enumtypid, enumsortorder`;

/** Of composite types, and of tables whose rows are a column's type, also in arrays and domains. */
const ATTRIBUTES = `
  with used as (
    select a.atttypid as oid from pg_catalog.pg_attribute a
    union
    select t.typbasetype from pg_catalog.pg_type t
  )
  select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, false,
    pg_catalog.col_description(a.attrelid, a.attnum)
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and c.reltype <> 0 and (c.relkind = 'c' or c.reltype in (
      select u.oid from used u
      union all
      select t.typelem from used u join pg_catalog.pg_type t on t.oid = u.oid
    ))
  order by a.attrelid, a.attnum`;

/** A type's name as SQL has it; null for those that stand for many, like `anyenum`. */
const TYPE_NAME = (oid: string) =>
  `(select pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(y.typname)
    from pg_catalog.pg_type y join pg_catalog.pg_namespace tn on tn.oid = y.typnamespace
    where y.oid = ${oid} and y.typtype <> 'p')`;

/** A temporal key (PERIOD, since PostgreSQL 18) holds between spans, which no equality follows. */
const FOREIGN_KEYS = `
  select k.conname, pg_catalog.obj_description(k.oid, 'pg_constraint'), k.conrelid,
    pg_catalog.array_to_string(k.conkey, ','), k.confrelid,
    pg_catalog.array_to_string(k.confkey, ','), m.matches, exists (
      select from pg_catalog.pg_index i
      where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
        and (i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey
    )
  from pg_catalog.pg_constraint k
  left join lateral (
    select pg_catalog.json_agg(
      case when s.atttypid <> t.atttypid or s.attcollation <> t.attcollation then
        pg_catalog.json_build_object(
          'operator', pg_catalog.quote_ident(n.nspname) || '.' || o.oprname,
          'targetType', ${TYPE_NAME("o.oprleft")},
          'sourceType', ${TYPE_NAME("o.oprright")},
          'collation', case when s.attcollation <> t.attcollation then
            pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.collname)
          end
        )
      end order by u.place
    )::pg_catalog.text as matches
    from rows from (
      pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)
    ) with ordinality u(source, target, operator, place)
    join pg_catalog.pg_attribute s on s.attrelid = k.conrelid and s.attnum = u.source
    join pg_catalog.pg_attribute t on t.attrelid = k.confrelid and t.attnum = u.target
    join pg_catalog.pg_operator o on o.oid = u.operator
    join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
    left join pg_catalog.pg_collation c on c.oid = t.attcollation
    left join pg_catalog.pg_namespace cn on cn.oid = c.collnamespace
    having pg_catalog.bool_or(s.atttypid <> t.atttypid or s.attcollation <> t.attcollation)
  ) m on true
  where k.contype = 'f' and k.conparentid = 0
    and (pg_catalog.to_jsonb(k) ->> 'conperiod') is distinct from 'true'
    and k.conrelid in (select c.oid ${EXPOSED})
    and k.confrelid in (select c.oid ${EXPOSED})
  order by k.conrelid, k.conname`;

/** What a schema file can name as a computed field. */
const FUNCTIONS = `
  select s.nspname, p.proname, pg_catalog.obj_description(p.oid, 'pg_proc'), r.oid,
    p.prorettype, p.proretset
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace s on s.oid = p.pronamespace
  join pg_catalog.pg_class r on r.reltype = p.proargtypes[0]
  where p.prokind = 'f' and p.pronargs = 1 and r.oid in (select c.oid ${EXPOSED})
    and pg_catalog.has_schema_privilege(s.oid, 'USAGE')
    and pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
  order by s.nspname, p.proname, r.oid`;
