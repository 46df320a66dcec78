/**
 * The whole way of a query, for every transport: text -> document -> valid -> plan -> SQL -> rows.
 * The schema is read from the database once and kept until it is asked to be read again; a query
 * ends with the schema it began with.
 */

import {
  assertValidSchema,
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  lexicographicSortSchema,
  printSchema,
  validate,
} from "graphql";
import { AppError, type ErrorCode, SchemaChanged } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Catalog } from "./catalog.ts";
import { catalogDigest } from "./catalog_digest.ts";
import { CatalogWatch } from "./catalog_watch.ts";
import type { Database, SqlStatement } from "./database.ts";
import { type GraphqlTypes, graphqlTypes } from "./graphql_schema.ts";
import { fromGraphqls, parseQuery } from "./parse.ts";
import { type PlannedOperation, type PlannedRoot, planQuery } from "./plan.ts";
import { batchOf } from "./plan_batch.ts";
import { planExport, planView } from "./plan_view.ts";
import type {
  BatchPlan,
  ExportRequest,
  Plan,
  QueryEngine,
  QueryRequest,
  RootField,
  RootList,
  RunOptions,
  SplitOptions,
  ViewRequest,
} from "./query_engine.ts";
import type { Read } from "./read_plan.ts";
import { Recent } from "./recent.ts";
import { relationsOf } from "./relations_of.ts";
import { ResultCache, type ResultCacheOptions } from "./result_cache.ts";
import { type Column, type DataSchema, dataSchema, type Relation } from "./schema.ts";
import { fileSchema, type SchemaFile } from "./schema_file.ts";
import { pageRanges, whyWhole } from "./split.ts";
import {
  compileAggregate,
  compileConnection,
  type CompiledRead,
  type CompileOptions,
  compileRead,
  wholeColumn,
} from "./sql.ts";
import { didYouMean } from "../config.ts";
import { short } from "./scalars.ts";

export interface EngineOptions {
  readonly database: Database;
  readonly readCatalog: () => Promise<Catalog>;
  /** The schema file, read whenever the catalog is; the catalog alone makes the schema without. */
  readonly readSchemaFile?: (() => Promise<SchemaFile>) | null;
  readonly limits: Limits;
  readonly unrepresentable: "error" | "null";
  /** Views that `OptimizedView` offers beside those named `va_...`. */
  readonly views: readonly string[];
  /** Told what had to be renamed or reported whenever the catalog is read. */
  readonly onNotes?: (notes: readonly string[]) => void;
  /** Results that may be given again for a while; none when absent. */
  readonly resultCache?: ResultCacheSettings;
  /** Told when the catalog was read again unasked. */
  readonly log?: Log;
  /** Called when that gave another schema, so that other processes can read theirs again. */
  readonly onChanged?: () => void;
}

export interface ResultCacheSettings extends Pick<ResultCacheOptions, "seconds" | "metrics"> {
  /** `name` or `schema.name` in PostgreSQL, or `*` for all: only reads of these alone are kept. */
  readonly relations: readonly string[];
}

interface CompiledPlan extends Plan {
  readonly statements: readonly SqlStatement[];
  /** Of which schema; see `CompileOptions`. */
  readonly generation: number;
  /** The statements whose results may be kept. */
  readonly keepable: ReadonlySet<SqlStatement>;
  /** What `roots` were compiled from, in the same order. */
  readonly planned: readonly PlannedRoot[];
}

interface Generation {
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

/** Reads the catalog and answers queries by it. */
export async function openEngine(options: EngineOptions): Promise<QueryEngine> {
  const { database, limits, unrepresentable } = options;
  let generation = await makeGeneration(await options.readCatalog(), options);
  refuseUnknown("flight_views", options.views, generation.data);
  let [begun, shown] = [0, 0];
  const cache = options.resultCache
    ? await openCache(options.resultCache, generation, options)
    : null;

  const show = (read: Generation, mine: number) => {
    // One that began later has seen more, even where it was done earlier.
    if (mine <= shown) return;
    [generation, shown] = [read, mine];
    cache?.results.clear();
  };
  const watch = new CatalogWatch({
    limits,
    log: options.log ?? null,
    read: async () => {
      const mine = ++begun;
      const catalog = await options.readCatalog();
      // The same again would forget texts and results for nothing.
      if (catalogDigest(catalog) === generation.digest) return false;
      show(await makeGeneration(catalog, options), mine);
      options.onChanged?.();
      return true;
    },
  });

  const compile = (operation: Pick<PlannedOperation, "operationName" | "roots">): CompiledPlan => {
    const statements: SqlStatement[] = [];
    const keepable = new Set<SqlStatement>();
    const roots = operation.roots.map((root) => {
      const before = statements.length;
      const compiled = compileRoot(root, statements, { unrepresentable, generation: shown });
      if (cache && statements.length > before && cache.mayKeep(root, generation)) {
        for (const statement of statements.slice(before)) keepable.add(statement);
      }
      return compiled;
    });
    const { operationName } = operation;
    const planned = operation.roots;
    return { operationName, roots, statements, planned, generation: shown, keepable };
  };

  const planned = (request: QueryRequest): PlannedOperation => {
    const { data, types, documents } = generation;
    const known = documents.find(request.text);
    const document = known ?? parsed(request.text, types.schema, limits);
    const operation = planQuery(document, request, types.schema, data, limits);
    // Only now, so that nonsense does not push out what is asked again and again.
    if (!known) documents.keep(request.text, document);
    return operation;
  };
  const plan = (request: QueryRequest): Plan => {
    const { plans } = generation;
    const key = planKey(request);
    const known = key === null ? undefined : plans.find(key);
    if (known) return known;
    const operation = planned(request);
    const made = compile(operation);
    if (key !== null && isSmall(operation)) plans.keep(key, made);
    return made;
  };

  return {
    plan,
    planView(request: ViewRequest) {
      const { data, types } = generation;
      const offer = { names: options.views, filterOf: types.filterOf };
      const read = planView(request, data, offer, limits);
      const root = { kind: "rows", name: request.view, field: request.view, read } as const;
      return compile({ operationName: null, roots: [root] });
    },
    planExport(request: ExportRequest) {
      const { data, types } = generation;
      const read = planExport(request, data, { filterOf: types.filterOf }, options.limits);
      const root = { kind: "rows", name: request.table, field: request.table, read } as const;
      return compile({ operationName: null, roots: [root] });
    },
    planBatch(queries: readonly string[]) {
      const { roots, operationName } = batchOf(
        queries,
        (text) => planned({ text }),
        options.limits,
      );
      return compile({ operationName, roots }) as CompiledPlan & BatchPlan;
    },
    planWord(word) {
      const list = generation.rootLists.find((candidate) => candidate.name === word);
      if (list) return plan({ text: list.text });
      const names = generation.rootLists.map((candidate) => candidate.name);
      throw new AppError("NOT_FOUND", `there is no root list named ${short(word)}`, {
        hint: didYouMean(word, names) || "list_flights names them",
      });
    },
    rows(given: Plan, run: RunOptions) {
      const { statements, roots, planned, keepable, generation: of } = given as CompiledPlan;
      const { part } = run;
      const options = {
        signal: run.signal,
        statementTimeoutMs: limits.statementSecondsMax * 1000,
      };
      if (part) {
        const { statement } = compileRead(
          { ...splittable(planned[run.root ?? 0]), range: part.range },
          { unrepresentable, generation: of },
        );
        return database.rows([statement], { ...options, snapshot: part.snapshot });
      }
      const asked = chosen(statements, roots, run.root);
      const read = () => database.rows(asked, options);
      // A plan of an earlier schema would be kept for nobody.
      const isKept = cache && of === shown && asked.length > 0 &&
        asked.every((statement) => keepable.has(statement));
      if (!isKept) return read();
      const { role, results } = cache;
      const key = { role, viewer: "anyone", generation: shown, statements: asked } as const;
      return results.rows(key, read, run);
    },
    async split(given: Plan, { root, parts, signal, beforeHolding }: SplitOptions) {
      const asked = (given as CompiledPlan).planned[root];
      const why = whyWhole(asked);
      if (why !== null) return { kind: "whole", why };
      const read = splittable(asked);
      const { statement } = compileRead({ ...read, limit: 0 }, { unrepresentable });
      beforeHolding?.();
      const held = await database.holdTable(read.relation, statement, signal);
      if (held.kind === "whole") return held;
      return { kind: "parts", snapshot: held.snapshot, ranges: pageRanges(held.pages, parts) };
    },
    async failed(error: unknown) {
      if (!(error instanceof AppError)) return;
      // As a cause it is a guess: the value itself may be at fault.
      if (error instanceof SchemaChanged || error.cause instanceof SchemaChanged) {
        await watch.changed();
      } else if (REFUSALS.includes(error.code)) await watch.doubted();
    },
    rootLists: () => generation.rootLists,
    sdl: () => generation.sdl ??= sdlText(generation),
    async refresh() {
      const mine = ++begun;
      show(await makeGeneration(await options.readCatalog(), options), mine);
    },
    ping: (signal) => database.ping(signal),
  };
}

/** What a request is refused with that knows a later schema: a new field, label or view. */
const REFUSALS: readonly ErrorCode[] = ["VALIDATION_ERROR", "BAD_INPUT", "NOT_FOUND"];

function parsed(text: string, schema: GraphQLSchema, limits: Limits): DocumentNode {
  const document = parseQuery(text, limits);
  const errors = validate(schema, document, undefined, { maxErrors: 20 });
  if (errors.length > 0) throw invalid(errors);
  return document;
}

/** graphql-js stops comparing fields that might be merged after a while, and says only this. */
const comparedEnough = "Validation aborted.";

function invalid(errors: readonly GraphQLError[]): AppError {
  if (errors.some((error) => error.message === comparedEnough)) {
    return new AppError("TOO_LARGE", "the query names the same fields too often to compare them", {
      hint: "write each field of a selection once",
    });
  }
  return fromGraphqls(errors, "VALIDATION_ERROR");
}

/** At the start alone: a relation that is dropped later is told of when it is asked for. */
function refuseUnknown(
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

async function openCache(
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

async function makeGeneration(catalog: Catalog, options: EngineOptions): Promise<Generation> {
  const file = await options.readSchemaFile?.();
  const data = file ? fileSchema(file, catalog, options) : dataSchema(catalog, options);
  const types = graphqlTypes(data);
  // Now, so that a fault of ours shows at the start, and not as the answer to every query.
  assertValidSchema(types.schema);
  options.onNotes?.(data.notes);
  return {
    digest: catalogDigest(catalog),
    data,
    relations: new Set(data.relations),
    types,
    rootLists: data.relations.map(rootList),
    documents: new Recent(options.limits.planCacheEntriesMax),
    plans: new Recent(options.limits.planCacheEntriesMax),
    sdl: null,
  };
}

function sdlText({ types, data }: Generation): string {
  // A name can hold a line's end, which would end the comment.
  const notes = data.notes.map((note) => `# ${note.replaceAll(/\s+/g, " ")}\n`).join("");
  return `${notes}${notes && "\n"}${printSchema(lexicographicSortSchema(types.schema))}\n`;
}

function compileRoot(
  root: PlannedRoot,
  statements: SqlStatement[],
  options: CompileOptions,
): RootField {
  if (root.kind === "value") return root;
  const { statement, fields } = compileFor(root, options);
  statements.push(statement);
  return {
    kind: root.kind === "rows" || root.kind === "aggregates" ? "rows" : "row",
    name: root.name,
    field: root.field,
    fields,
    statement: statements.length - 1,
    ...root.kind === "connection" && { list: root.read.relation.listField },
  };
}

function compileFor(
  root: Exclude<PlannedRoot, { kind: "value" }>,
  options: CompileOptions,
): CompiledRead {
  switch (root.kind) {
    case "rows":
    case "row":
      return compileRead(root.read, options);
    case "aggregates":
      return compileAggregate(root.read, options);
    case "connection":
      return compileConnection(root.read, options);
    default:
      return root satisfies never;
  }
}

function chosen(
  statements: readonly SqlStatement[],
  roots: readonly RootField[],
  only: number | undefined,
): readonly SqlStatement[] {
  if (only === undefined) return statements;
  const root = roots[only];
  return root && root.kind !== "value" ? statements.slice(root.statement, root.statement + 1) : [];
}

/** The read of a root field that `whyWhole` lets pass. */
function splittable(root: PlannedRoot | undefined): Read {
  const why = whyWhole(root);
  if (why === null && root?.kind === "rows") return root.read;
  throw new AppError("BAD_TICKET", `the query cannot be read in parts: ${why}`, {
    hint: "read it whole, or ask GetFlightInfo for its partitions",
  });
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

/**
 * What tells requests apart; null for one that is hardly asked again, and where JSON writes null, since
 * it does so for an infinity too.
 */
function planKey({ text, operationName, variables }: QueryRequest): string | null {
  const values = variables ? JSON.stringify(variables) : "";
  return values.includes("null") ? null : `${operationName ?? ""}\0${values}\0${text}`;
}

/** An introspection is large, and asked seldom. */
function isSmall({ roots }: PlannedOperation): boolean {
  return roots.every(({ kind, field }) => kind !== "value" || field === "__typename");
}
