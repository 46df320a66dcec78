/** `fraiseql schema print`: the schema of the database as SDL. */

import type { Config } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import { engineOf, findDatabase } from "./database.ts";
import { answer } from "./say.ts";

/** Prints the SDL; what had to be renamed stands in comments at its top. */
export async function printSchema(config: Config): Promise<number> {
  const log = createLog("warn");
  const found = await findDatabase(config, log);
  try {
    const database = await openDatabase({ url: found.url, limits: config.limits, log });
    try {
      answer((await engineOf(config, database, log)).sdl());
    } finally {
      await database.close();
    }
  } finally {
    await found.close();
  }
  return 0;
}
