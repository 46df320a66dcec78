/** Finds the table that a person names, and says why it cannot be captured where it cannot. */

import { didYouMean } from "../../config.ts";
import { AppError } from "../../errors.ts";
import type { Connection } from "../connection.ts";
import { notOwner } from "./migrate.ts";

export interface FoundTable {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** `relkind`. */
  readonly kind: string;
  readonly columns: readonly string[];
  /** The primary key, else a unique index over NOT NULL columns; null without. */
  readonly key: readonly string[] | null;
}

interface Listed {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly isTemporary: boolean;
  /** What it is a part of, as a partition or by inheritance. */
  readonly parent: string | null;
  /** The owner of one of its parts, whose rights this role does not have. */
  readonly foreignOwner: string | null;
}

/** The table of that name, `schema.table` or one in `schemas`; throws what is wrong with it. */
export async function findTable(
  connection: Connection,
  name: string,
  schemas: readonly string[],
): Promise<FoundTable> {
  const relations = await listRelations(connection);
  const found = relations.find((row) => `${row.schema}.${row.name}` === name) ??
    schemas.flatMap((schema) =>
      relations.filter((row) => row.schema === schema && row.name === name)
    )[0];
  if (!found) {
    const known = relations.filter(isTable).flatMap((row) =>
      schemas.includes(row.schema) ? [row.name] : [`${row.schema}.${row.name}`]
    );
    throw new AppError("BAD_INPUT", `there is no table ${name} in ${schemas.join(", ")}`, {
      hint: didYouMean(name, known) || "name a table of another schema as schema.table",
    });
  }
  const refusal = refuse(found);
  if (refusal) throw refusal;
  return await readTable(connection, found);
}

/** Every table of a schema that can be captured as it is, and why the others cannot. */
export async function findTables(
  connection: Connection,
  schema: string,
): Promise<{ tables: FoundTable[]; refused: AppError[] }> {
  const relations = await listRelations(connection);
  const own = relations.filter((row) => row.schema === schema && isTable(row));
  if (own.length === 0) {
    const schemas = [...new Set(relations.filter(isTable).map((row) => row.schema))];
    throw new AppError("BAD_INPUT", `there is no table in schema ${schema}`, {
      hint: didYouMean(schema, schemas) || `schemas with tables: ${schemas.join(", ") || "none"}`,
    });
  }
  const tables: FoundTable[] = [];
  const refused: AppError[] = [];
  for (const row of own) {
    if (row.parent !== null) continue; // captured with what it is a part of
    const refusal = refuse(row);
    if (refusal) refused.push(refusal);
    else tables.push(await readTable(connection, row));
  }
  return { tables, refused };
}

const isTable = ({ kind }: Listed) => kind === "r" || kind === "p";

const KINDS: Readonly<Record<string, string>> = {
  v: "a view",
  m: "a materialized view",
  f: "a foreign table",
};

function refuse(row: Listed): AppError | null {
  const name = `${row.schema}.${row.name}`;
  const kind = KINDS[row.kind];
  if (kind) {
    return new AppError("BAD_INPUT", `${name} is ${kind}, whose writes nobody sees`, {
      hint: "capture the tables behind it",
    });
  }
  if (row.isTemporary) {
    return new AppError("BAD_INPUT", `${name} is a temporary table`, {
      hint: "capture tables that stay",
    });
  }
  if (row.parent !== null) {
    return new AppError("BAD_INPUT", `${name} is a part of ${row.parent}`, {
      hint: `capture ${row.parent}, and its parts are captured with it`,
    });
  }
  if (row.foreignOwner !== null) return notOwner(`table ${name}`, row.foreignOwner);
  return null;
}

async function listRelations(connection: Connection): Promise<Listed[]> {
  const rows = await connection.query(`
    with recursive family as (
      select c.oid as root, c.oid as part from pg_catalog.pg_class c where c.relkind in ('r', 'p')
      union
      select f.root, i.inhrelid from family f
      join pg_catalog.pg_inherits i on i.inhparent = f.part
    )
    select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence = 't', (
        select pg_catalog.min(i.inhparent::pg_catalog.regclass::pg_catalog.text)
        from pg_catalog.pg_inherits i where i.inhrelid = c.oid
      ), (
        select pg_catalog.min(pg_catalog.pg_get_userbyid(p.relowner)) from family f
        join pg_catalog.pg_class p on p.oid = f.part
        where f.root = c.oid and not pg_catalog.pg_has_role(p.relowner, 'usage')
      )
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('fraiseql', 'information_schema')
      and n.nspname !~ '^pg_(catalog|toast)'
    order by 2, 3`);
  return rows.map(([oid, schema, name, kind, temporary, parent, foreignOwner]) => ({
    oid: oid ?? "",
    schema: schema ?? "",
    name: name ?? "",
    kind: kind ?? "",
    isTemporary: temporary === "t",
    parent: parent ?? null,
    foreignOwner: foreignOwner ?? null,
  }));
}

async function readTable(connection: Connection, row: Listed): Promise<FoundTable> {
  const columns = await connection.query(
    `select attname from pg_catalog.pg_attribute
     where attrelid = $1::pg_catalog.oid and attnum > 0 and not attisdropped order by attnum`,
    [row.oid],
  );
  const key = await connection.query(
    `select a.attname from (
       select i.indexrelid, (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] as numbers
       from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
       where i.indrelid = $1::pg_catalog.oid and i.indisunique and i.indisvalid
         and i.indpred is null and i.indexprs is null and not exists (
           select from pg_catalog.pg_attribute a where a.attrelid = i.indrelid
             and a.attnum = any ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1])
             and not a.attnotnull)
       order by i.indisprimary desc, i.indnkeyatts, x.relname limit 1
     ) k, pg_catalog.unnest(k.numbers) with ordinality n(number, place)
     join pg_catalog.pg_attribute a on a.attrelid = $1::pg_catalog.oid and a.attnum = n.number
     order by n.place`,
    [row.oid],
  );
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: row.kind,
    columns: columns.map(([name]) => name ?? ""),
    key: key.length > 0 ? key.map(([name]) => name ?? "") : null,
  };
}
