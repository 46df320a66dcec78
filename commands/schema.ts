/** `fraiseql schema print` and `fraiseql schema check`: the schema file, written and held up. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { createLog } from "../lib/log.ts";
import { readCatalog } from "../lib/postgres/catalog.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import type { Database } from "../lib/query/database.ts";
import { type DataSchema, dataSchema } from "../lib/query/schema.ts";
import { fileSchema } from "../lib/query/schema_file.ts";
import { printSchemaFile } from "../lib/query/schema_file_print.ts";
import { engineOf, findDatabase } from "./database.ts";
import { answer } from "./say.ts";
import { readSchemaFile } from "./schema_file.ts";

/**
 * Prints the schema file that gives the served API back: made from the database, or, where one is
 * configured, that file itself once it is known to fit.
 */
export function printSchema(config: Config): Promise<number> {
  return withDatabase(config, async (database, log) => {
    if (config.schema !== null) {
      await engineOf(config, database, log);
      answer((await readSchemaFile(config.schema, config)).text);
      return 0;
    }
    const catalog = await readCatalog(database, config.dbSchemas);
    answer(printSchemaFile(dataSchema(catalog, config)));
    return 0;
  });
}

/** Says whether the file fits the database; throws `BAD_INPUT` with every fault where it does not. */
export async function checkSchema(config: Config, named: string | undefined): Promise<number> {
  const path = named ?? config.schema;
  if (path === null) {
    throw new AppError("BAD_INPUT", "there is no schema file to check", {
      hint: "name one, fraiseql schema check schema.graphql, or set FRAISEQL_SCHEMA",
    });
  }
  // Before the database, which would be waited for.
  const file = await readSchemaFile(path, config);
  return await withDatabase(config, async (database, log) => {
    const catalog = await readCatalog(database, config.dbSchemas);
    const data = fileSchema(file, catalog, config);
    // As at the start, so that what passes here is served.
    await engineOf({ ...config, schema: path }, database, log);
    answer(`${path} fits: ${counts(data)}\n`);
    return 0;
  });
}

function counts({ relations, composites, enums }: DataSchema): string {
  const fields = [...relations, ...composites].reduce((sum, type) => sum + type.fields.size, 0);
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return [
    count(relations.length + composites.length, "type"),
    count(fields, "field"),
    count(enums.length, "enum"),
  ].join(", ");
}

async function withDatabase(
  config: Config,
  run: (database: Database, log: ReturnType<typeof createLog>) => Promise<number>,
): Promise<number> {
  const log = createLog("warn");
  const found = await findDatabase(config, log);
  try {
    const database = await openDatabase({ url: found.url, limits: config.limits, log });
    try {
      return await run(database, log);
    } finally {
      await database.close();
    }
  } finally {
    await found.close();
  }
}
