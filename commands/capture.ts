/** `fraiseql capture add | list | remove`: which tables' writes become events. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { createLog } from "../lib/log.ts";
import { readCatalog } from "../lib/postgres/catalog.ts";
import { readState } from "../lib/postgres/change_log.ts";
import { checkBackfills, lockBackfill } from "../lib/postgres/change_log/backfill_check.ts";
import {
  addCaptures,
  type CapturedTable,
  type CaptureRequest,
  listCaptures,
  removeAllCaptures,
  removeCapture,
} from "../lib/postgres/change_log/capture.ts";
import { findTable, findTables, type FoundTable } from "../lib/postgres/change_log/find_tables.ts";
import { openRegistry } from "../lib/postgres/change_log/migrate.ts";
import type { Connection } from "../lib/postgres/connection.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import { type DataSchema, dataSchema } from "../lib/query/schema.ts";
import { fileSchema } from "../lib/query/schema_file.ts";
import { backfillTables, unfinishedText } from "./backfill.ts";
import { withConnection } from "./migrate.ts";
import { answer, say } from "./say.ts";
import { readSchemaFile } from "./schema_file.ts";

export interface CaptureFlags {
  readonly entity?: string;
  readonly key?: string;
  readonly only?: string;
  readonly except?: string;
  readonly userColumn?: string;
  readonly orgColumn?: string;
  readonly timestampColumn?: string;
  readonly allIn?: string;
  readonly backfill?: boolean;
}

/** Captures a table, or all of a schema, from now on; with --backfill the rows that are there too. */
export function addCapture(
  config: Config,
  name: string | undefined,
  flags: CaptureFlags,
  signal: AbortSignal,
): Promise<number> {
  checkFlags(name, flags);
  return withConnection(config, signal, async (connection, url) => {
    await openRegistry(connection);
    const schema = await servedSchema(config, url);
    const tables = await tablesOf(connection, config, name, flags);
    const requests = tables.map((table) => toRequest(table, schema, flags));
    if (flags.backfill) {
      await checkBackfills(connection, requests);
      for (const { table } of requests) await lockBackfill(connection, table);
    }
    const added = await addCaptures(connection, requests);
    for (const { table, entityType, key, leftOut, faults } of added) {
      const without = leftOut.length > 0 ? `, without ${leftOut.join(", ")}` : "";
      answer(`captures ${table} as ${entityType} by ${key.join(", ")}${without}\n`);
      for (const fault of faults) say(`note: ${fault}`);
    }
    return flags.backfill ? await backfillTables(connection, tables, config, signal) : 0;
  });
}

/** Captures the tables of the sample shop that are there, all but those that hold no key. */
export async function captureSample(
  connection: Connection,
  config: Config,
  url: string,
): Promise<void> {
  await openRegistry(connection);
  const { tables } = await findTables(connection, "public");
  const shop = tables.filter(({ name, key }) => SHOP_TABLES.includes(name) && key !== null);
  if (shop.length < SHOP_TABLES.length) return; // the tables are somebody's own
  const schema = await servedSchema(config, url);
  const exposed = shop.filter((table) =>
    schema.relations.some(({ schema, name }) => schema === table.schema && name === table.name)
  );
  await addCaptures(connection, exposed.map((table) => toRequest(table, schema, {})));
}

const SHOP_TABLES = ["organizations", "users", "products", "orders", "order_items"];

/** Prints what is captured and everything that keeps writes from being so; 1 where there is any. */
export function listCapture(config: Config, signal: AbortSignal): Promise<number> {
  return withConnection(config, signal, async (connection) => {
    await openRegistry(connection);
    const captured = await listCaptures(connection);
    const state = await readState(connection);
    answer(captured.map(tableText).join("") || "no table is captured\n");
    const MiB = 1024 * 1024;
    const share = Math.round(100 * state.bytes / state.bytesMax);
    answer(
      `change log: ${Math.ceil(state.bytes / MiB)} MiB of ${
        Math.floor(state.bytesMax / MiB)
      } MiB (${share}%)${state.isFull ? ", full" : ""}\n`,
    );
    for (const { entityType, reason, beganAt } of state.openGaps) {
      const of = entityType === null ? "" : ` of ${entityType}`;
      answer(`writes${of} are not captured since ${beganAt}: ${reason}\n`);
    }
    const isWhole = captured.every(({ faults }) => faults.length === 0);
    return isWhole && state.openGaps.length === 0 ? 0 : 1;
  });
}

/** Captures a table, or all, no longer; what is in the change log stays there. */
export function removeCaptures(
  config: Config,
  name: string | undefined,
  flags: { readonly all?: boolean },
  signal: AbortSignal,
): Promise<number> {
  if ((name === undefined) !== (flags.all ?? false)) {
    throw new AppError("BAD_INPUT", "name a table, or say --all", {
      hint: "fraiseql capture list shows what is captured",
    });
  }
  return withConnection(config, signal, async (connection) => {
    await openRegistry(connection);
    if (name === undefined) {
      const count = await removeAllCaptures(connection);
      answer(`captures none any longer, of ${count} table${count === 1 ? "" : "s"}\n`);
    } else {
      const table = await removeCapture(connection, name, config.dbSchemas);
      answer(`captures ${table} no longer\n`);
    }
    return 0;
  });
}

function checkFlags(name: string | undefined, flags: CaptureFlags): void {
  if ((name === undefined) === (flags.allIn === undefined)) {
    throw new AppError("BAD_INPUT", "name one table, or a schema by --all-in", {
      hint: "fraiseql capture add orders, or fraiseql capture add --all-in public",
    });
  }
  const { allIn: _schema, ...ofOne } = flags;
  const odd =
    (["entity", "key", "only", "except", "userColumn", "orgColumn", "timestampColumn"] as const)
      .find((flag) => ofOne[flag] !== undefined);
  if (flags.allIn !== undefined && odd !== undefined) {
    throw new AppError("BAD_INPUT", `--all-in takes no flag that is of one table (is ${odd})`, {
      hint: "add the others by --all-in first, then that table by its name",
    });
  }
}

async function tablesOf(
  connection: Connection,
  config: Config,
  name: string | undefined,
  flags: CaptureFlags,
): Promise<FoundTable[]> {
  if (name !== undefined) return [await findTable(connection, name, config.dbSchemas)];
  const { tables, refused } = await findTables(connection, flags.allIn ?? "");
  const [first] = refused;
  if (first) throw first;
  const keyless = tables.filter(({ key }) => key === null);
  for (const { schema, name } of keyless) {
    say(`leaves out ${schema}.${name}, which has no key: capture add ${name} --key <columns>`);
  }
  return tables.filter(({ key }) => key !== null);
}

function toRequest(table: FoundTable, schema: DataSchema, flags: CaptureFlags): CaptureRequest {
  return {
    table,
    entityType: entityOf(table, schema, flags.entity),
    key: flags.key === undefined ? null : list("key", flags.key),
    only: flags.only === undefined ? null : list("only", flags.only),
    except: flags.except === undefined ? [] : list("except", flags.except),
    userColumn: flags.userColumn ?? null,
    orgColumn: flags.orgColumn ?? null,
    timestampColumn: flags.timestampColumn ?? null,
  };
}

function list(flag: string, text: string): string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name);
  if (names.length > 0) return names;
  throw new AppError("BAD_INPUT", `--${flag} names no column`, {
    hint: `columns are separated by commas: --${flag} id,region`,
  });
}

/** The GraphQL type's name; its own only for what is not exposed. */
function entityOf(table: FoundTable, schema: DataSchema, wanted: string | undefined): string {
  const exposed = schema.relations.find((relation) =>
    relation.schema === table.schema && relation.name === table.name
  )?.typeName;
  const place = `${table.schema}.${table.name}`;
  if (exposed !== undefined && wanted !== undefined && wanted !== exposed) {
    throw new AppError("BAD_INPUT", `${place} is type ${exposed}, and its events are too`, {
      hint: "leave out --entity, or rename the type in the schema file",
    });
  }
  const name = exposed ?? wanted;
  if (name === undefined) {
    throw new AppError("BAD_INPUT", `${place} is not exposed, so its events have no name yet`, {
      hint: "name their entity type: --entity Order",
    });
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) {
    throw new AppError("BAD_INPUT", `${JSON.stringify(name)} is no name of an entity type`, {
      hint: "use letters, digits and _, at most 63: it is a part of NATS subjects",
    });
  }
  return name;
}

async function servedSchema(config: Config, url: string): Promise<DataSchema> {
  const database = await openDatabase({ url, limits: config.limits, log: createLog("warn") });
  try {
    const catalog = await readCatalog(database, config.dbSchemas);
    if (config.schema === null) return dataSchema(catalog, config);
    return fileSchema(await readSchemaFile(config.schema, config), catalog, config);
  } finally {
    await database.close();
  }
}

function tableText(captured: CapturedTable): string {
  const { table, entityType, key, leftOut, since, backfill, faults } = captured;
  const without = leftOut.length > 0 ? `, without ${leftOut.join(", ")}` : "";
  const head = `${table} as ${entityType} by ${key.join(", ")} since ${since}${without}\n`;
  const unfinished = backfill === null ? "" : `  ${unfinishedText(table, backfill)}\n`;
  return head + unfinished + faults.map((fault) => `  ${fault}\n`).join("");
}
