/** The schema as it was read once, and what is kept beside it for as long as it is shown. */

import {
  assertValidSchema,
  type DocumentNode,
  lexicographicSortSchema,
  printSchema,
} from "graphql";
import type { Catalog } from "./catalog.ts";
import { catalogDigest } from "./catalog_digest.ts";
import type { CompiledPlan } from "./compile_plan.ts";
import { EVENT_RELATIONS } from "./event_relations.ts";
import { type GraphqlTypes, graphqlTypes } from "./graphql_schema.ts";
import type { EngineOptions } from "./engine_options.ts";
import type { RootList } from "./query_engine.ts";
import { Recent } from "./recent.ts";
import { type Column, type DataSchema, dataSchema, type Relation } from "./schema.ts";
import { fileSchema } from "./schema_file.ts";
import { wholeColumn } from "./sql.ts";

/** One reading of the catalog; a query ends with the one it began with. */
export interface Generation {
  /** Of the catalog that it was made from. */
  readonly digest: string;
  readonly data: DataSchema;
  readonly relations: ReadonlySet<Relation>;
  readonly types: GraphqlTypes;
  readonly rootLists: readonly RootList[];
  /** Parsed and validated texts. */
  readonly documents: Recent<DocumentNode>;
  /** By `planKey`. */
  readonly plans: Recent<CompiledPlan>;
  sdl: string | null;
}

/** Makes the schema of a catalog, and tells `onNotes` what had to give way. */
export async function makeGeneration(
  catalog: Catalog,
  options: EngineOptions,
): Promise<Generation> {
  const file = await options.readSchemaFile?.();
  const data = file ? fileSchema(file, catalog, options) : dataSchema(catalog, options);
  const types = graphqlTypes(data, {
    events: Boolean(options.events),
    search: options.search?.columns ?? null,
  });
  // Now, so that a fault of ours shows at the start, and not as the answer to every query.
  assertValidSchema(types.schema);
  options.onNotes?.(data.notes);
  return {
    digest: catalogDigest(catalog),
    data,
    relations: new Set(data.relations),
    types,
    rootLists: [...data.relations, ...options.events ? EVENT_RELATIONS : []].map(rootList),
    documents: new Recent(options.limits.planCacheEntriesMax),
    plans: new Recent(options.limits.planCacheEntriesMax),
    sdl: null,
  };
}

/** The schema as SDL, with the notes before it. */
export function sdlText({ types, data }: Generation): string {
  // A name can hold a line's end, which would end the comment.
  const notes = data.notes.map((note) => `# ${note.replaceAll(/\s+/g, " ")}\n`).join("");
  return `${notes}${notes && "\n"}${printSchema(lexicographicSortSchema(types.schema))}\n`;
}

function rootList(relation: Relation): RootList {
  const columns = relation.columns.map(columnText).join(" ");
  return {
    name: relation.listField,
    text: `{ ${relation.listField} { ${columns} } }`,
    description: relation.comment,
    rowsEstimate: relation.rowsEstimate,
  };
}

function columnText(column: Column): string {
  const selection = wholeColumn(column, false);
  if (selection.kind !== "column" || selection.parts.length === 0) return column.name;
  const parts = selection.parts.map((part) =>
    part.kind === "column" ? columnText(part.column) : ""
  );
  return `${column.name} { ${parts.join(" ")} }`;
}
