/** Whether the catalog may say something else than when it was read, at a fraction of its cost. */

import type { Database } from "../query/database.ts";
import { arrayLiteral } from "../query/operators.ts";

/**
 * A number that is another one when relations, columns, keys or enums of these schemas, or composite
 * types of any, were changed. Another number need not mean another catalog.
 */
export async function catalogStamp(
  database: Pick<Database, "query">,
  schemas: readonly string[],
): Promise<string> {
  const [row] = await database.query(STAMP, [arrayLiteral(schemas)]);
  return row?.[0] ?? "";
}

/**
 * A row that was changed has another `xmin`. But for relations, whose rows a TRUNCATE or a REFRESH
 * writes too. A sum, since sorting thousands of columns would be most of the cost.
 */
const STAMP = `
  with seen as materialized (
    select c.oid, c.relname, c.relnamespace, c.relkind, c.relacl
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where not c.relispartition and (
      c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname = any($1::pg_catalog.text[])
      or c.relkind = 'c' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    )
  )
  select pg_catalog.sum(pg_catalog.hashtextextended(p.part, 0))
  from (
    select pg_catalog.concat_ws(' ', 'relation', oid, relname, relnamespace, relkind, relacl)
    from seen
    union all
    select pg_catalog.concat_ws(' ', 'column', a.attrelid, a.attnum, a.xmin)
    from pg_catalog.pg_attribute a where a.attrelid in (select oid from seen) and a.attnum > 0
    union all
    select pg_catalog.concat_ws(' ', 'constraint', k.oid, k.xmin)
    from pg_catalog.pg_constraint k where k.conrelid in (select oid from seen)
    union all
    select pg_catalog.concat_ws(' ', 'index', i.indexrelid, i.xmin)
    from pg_catalog.pg_index i where i.indrelid in (select oid from seen)
    union all
    select pg_catalog.concat_ws(' ', 'label', e.oid, e.xmin) from pg_catalog.pg_enum e
  ) p(part)`;
