/** Which results may be kept, and where they are. */

import { didYouMean } from "../config.ts";
import { AppError } from "../errors.ts";
import type { Generation } from "./generation.ts";
import type { EngineOptions, ResultCacheSettings } from "./engine_options.ts";
import type { PlannedRoot } from "./plan.ts";
import { relationsOf } from "./relations_of.ts";
import { ResultCache } from "./result_cache.ts";
import { short } from "./scalars.ts";
import type { DataSchema, Relation } from "./schema.ts";

/** At the start alone: a relation that is dropped later is told of when it is asked for. */
export function refuseUnknown(
  key: "flight_views" | "result_cache",
  relations: readonly string[],
  data: DataSchema,
): void {
  const names = data.relations.flatMap(namesOf);
  const odd = relations.find((name) => !names.includes(name));
  if (odd === undefined) return;
  throw new AppError("BAD_INPUT", `${key} names ${short(odd)}, and there is no such view`, {
    hint: didYouMean(odd, names) || "check the name, and db_schemas",
  });
}

const namesOf = ({ schema, name }: Relation) => [name, `${schema}.${name}`];

/** The cache, and whose results it holds: those of one role in one database. */
export async function openKeptResults(
  { relations, ...settings }: ResultCacheSettings,
  { data }: Generation,
  { database, limits }: EngineOptions,
) {
  const isAll = relations.includes("*");
  refuseUnknown("result_cache", relations.filter((name) => name !== "*"), data);
  const [row] = await database.query(
    "select pg_catalog.current_database(), current_user, session_user",
  );
  return {
    results: new ResultCache({ ...settings, limits }),
    role: JSON.stringify(row),
    /** Only where every relation that the root field touches may be a little old. */
    mayKeep(root: PlannedRoot, generation: Generation): boolean {
      if (isAll) return true;
      const touched = relationsOf(root, generation.relations);
      return [...touched].every((relation) =>
        namesOf(relation).some((name) => relations.includes(name))
      );
    },
  };
}
