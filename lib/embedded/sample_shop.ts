/** The sample shop: organizations, users, products and orders for a first look, of any size. */

import { abortError, AppError } from "../errors.ts";
import tables from "./sample_shop.sql" with { type: "text" };
import keys from "./sample_shop_keys.sql" with { type: "text" };
import { shopRows, shopSize } from "./sample_shop_rows.ts";

/** Runs one statement and gives its rows as text; every call on the same connection. */
export type ShopQuery = (
  sql: string,
  parameters?: (string | null)[],
) => Promise<readonly (readonly (string | null)[])[]>;

export interface ShopOptions {
  readonly orders?: number;
  /** Drops a shop that is there, whatever was changed in it, and makes it again. */
  readonly replace?: boolean;
  readonly onProgress?: (progress: ShopProgress) => void;
  readonly signal?: AbortSignal;
}

/** Organizations, users, products and orders together; items come with their orders. */
export interface ShopProgress {
  readonly rowsDone: number;
  readonly rowsTotal: number;
}

/** Loaded in well under three seconds, and enough for a chart. */
export const sampleOrders = 10_000;

/**
 * Makes the shop in the first schema of the search path, in one transaction: there is the whole
 * shop afterwards or nothing. A shop of that size that is there already is left as it is.
 */
export async function loadSampleShop(query: ShopQuery, options: ShopOptions = {}): Promise<void> {
  const { orders = sampleOrders, onProgress = () => {}, signal } = options;
  if (!Number.isSafeInteger(orders) || orders < 1 || orders > ordersMax) {
    throw new AppError("BAD_INPUT", `a shop has 1 to ${ordersMax} orders (is ${orders})`);
  }
  const there = await findShop(query);
  if (there === orders && !options.replace) return;
  if (there !== null && !options.replace) {
    throw new AppError("BAD_INPUT", `the sample shop is there with ${there} orders`, {
      hint: `--replace drops it and makes one with ${orders}`,
    });
  }

  const size = shopSize(orders);
  const statements = shopRows(size);
  const rowsTotal = statements.reduce((sum, { rows }) => sum + rows, 0);
  let rowsDone = 0;
  await query("begin");
  try {
    if (there !== null) await drop(query);
    await runAll(query, tables);
    for (const { rows, sql } of statements) {
      for (let from = 1; from <= rows; from += chunkRows) {
        if (signal?.aborted) throw abortError(signal);
        const to = Math.min(rows, from + chunkRows - 1);
        await query(sql, [String(from), String(to)]);
        rowsDone += to - from + 1;
        onProgress({ rowsDone, rowsTotal });
      }
    }
    // After the rows, since building an index at once is several times quicker than row by row.
    await runAll(query, keys);
    await query(`alter table products alter id restart with ${size.products + 1}`);
    await query("commit");
  } catch (error) {
    await query("rollback");
    throw error;
  }
  for (const table of [...tableNames, "monthly_revenue"]) await query(`analyze ${table}`);
}

/** An order takes about 500 bytes with its items and indexes. */
const ordersMax = 100_000_000;

/** A step takes half a second, so that progress moves and a cancel is heard. */
const chunkRows = 25_000;

const tableNames = ["organizations", "users", "products", "orders", "order_items"];
const relationNames = [
  ...["va_orders", "va_users", "order_summaries", "monthly_revenue"],
  ...tableNames.toReversed(),
];

/** The number of orders of a shop that is there; null where none of its names is taken. */
async function findShop(query: ShopQuery): Promise<number | null> {
  const list = [...relationNames, "order_status"].map((name) => `'${name}'`).join(",");
  const rows = await query(`
    select relname from pg_class where relnamespace = current_schema::regnamespace
      and relname in (${list})
    union all select typname from pg_type where typnamespace = current_schema::regnamespace
      and typname in (${list}) and typrelid = 0
    order by 1`);
  if (rows.length === 0) return null;

  const found = rows.map(([name]) => name);
  const isWhole = found.length === relationNames.length + 1;
  const marks = isWhole
    ? await query(`select from pg_attribute where (attrelid, attname) in (
        ('orders'::regclass, 'error_code'), ('users'::regclass, 'organization_id'),
        ('products'::regclass, 'attributes'), ('order_items'::regclass, 'unit_price'))`)
    : [];
  if (marks.length !== 4) {
    throw new AppError(
      "BAD_INPUT",
      `the database has ${found.join(", ")}, not of the sample shop`,
      {
        hint: "name an empty database; the sample shop changes nothing that it did not make",
      },
    );
  }
  const [row] = await query("select count(*) from orders");
  return Number(row?.[0]);
}

async function drop(query: ShopQuery): Promise<void> {
  for (const name of relationNames) {
    const kind = tableNames.includes(name)
      ? "table"
      : name === "monthly_revenue"
      ? "materialized view"
      : "view";
    await query(`drop ${kind} ${name}`);
  }
  await query("drop type order_status");
}

/** The files hold plain statements, each ending in a semicolon at the end of its line. */
async function runAll(query: ShopQuery, text: string): Promise<void> {
  const statements = text.split(/;\s*$/m).map((sql) => sql.trim()).filter((sql) => sql);
  for (const sql of statements) await query(sql);
}
