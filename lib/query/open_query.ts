/**
 * The whole way of a query, for every transport: text -> document -> valid -> plan -> SQL -> rows.
 * The schema is read from the database once and kept until it is asked to be read again; a query
 * ends with the schema it began with.
 */

import {
  assertValidSchema,
  type DocumentNode,
  type GraphQLError,
  lexicographicSortSchema,
  printSchema,
  validate,
} from "graphql";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Catalog } from "./catalog.ts";
import type { Database, SqlStatement } from "./database.ts";
import { type GraphqlTypes, graphqlTypes } from "./graphql_schema.ts";
import { fromGraphqls, parseQuery } from "./parse.ts";
import { type PlannedOperation, type PlannedRoot, planQuery } from "./plan.ts";
import { planView } from "./plan_view.ts";
import type {
  Plan,
  QueryEngine,
  QueryRequest,
  RootField,
  RootList,
  RunOptions,
  ViewRequest,
} from "./query_engine.ts";
import { type Column, type DataSchema, dataSchema, type Relation } from "./schema.ts";
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
  readonly limits: Limits;
  readonly unrepresentable: "error" | "null";
  /** Views that `OptimizedView` offers beside those named `va_...`. */
  readonly views: readonly string[];
  /** Told what had to be renamed or reported whenever the catalog is read. */
  readonly onNotes?: (notes: readonly string[]) => void;
}

interface CompiledPlan extends Plan {
  readonly statements: readonly SqlStatement[];
}

interface Generation {
  readonly data: DataSchema;
  readonly types: GraphqlTypes;
  readonly rootLists: readonly RootList[];
  readonly documents: DocumentCache;
  sdl: string | null;
}

/** Reads the catalog and answers queries by it. */
export async function openEngine(options: EngineOptions): Promise<QueryEngine> {
  let generation = await readGeneration(options);
  refuseUnknownViews(options.views, generation.data);
  let [begun, shown] = [0, 0];
  const { unrepresentable } = options;

  const compile = (operation: PlannedOperation): CompiledPlan => {
    const statements: SqlStatement[] = [];
    const roots = operation.roots.map((root) =>
      compileRoot(root, statements, { unrepresentable, generation: shown })
    );
    return { operationName: operation.operationName, roots, statements };
  };

  const plan = (request: QueryRequest): Plan => {
    const { data, types, documents } = generation;
    const document = documents.get(request.text, () => {
      const parsed = parseQuery(request.text, options.limits);
      const errors = validate(types.schema, parsed, undefined, { maxErrors: 20 });
      if (errors.length > 0) throw invalid(errors);
      return parsed;
    });
    return compile(planQuery(document, request, types.schema, data, options.limits));
  };

  return {
    plan,
    planView(request: ViewRequest) {
      const { data, types } = generation;
      const offer = { names: options.views, filterOf: types.filterOf };
      const read = planView(request, data, offer, options.limits);
      const root = { kind: "rows", name: request.view, field: request.view, read } as const;
      return compile({ operationName: null, roots: [root] });
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
      const { statements, roots } = given as CompiledPlan;
      return options.database.rows(chosen(statements, roots, run.root), {
        signal: run.signal,
        statementTimeoutMs: options.limits.statementSecondsMax * 1000,
      });
    },
    rootLists: () => generation.rootLists,
    sdl: () => generation.sdl ??= sdlText(generation),
    async refresh() {
      const mine = ++begun;
      const read = await readGeneration(options);
      // One that began later has seen more, even where it was done earlier.
      if (mine > shown) [generation, shown] = [read, mine];
    },
    ping: (signal) => options.database.ping(signal),
  };
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

/** At the start alone: a view that is dropped later is told of when it is asked for. */
function refuseUnknownViews(views: readonly string[], { relations }: DataSchema): void {
  const names = relations.flatMap(({ schema, name }) => [name, `${schema}.${name}`]);
  const odd = views.find((view) => !names.includes(view));
  if (odd === undefined) return;
  throw new AppError("BAD_INPUT", `flight_views names ${short(odd)}, and there is no such view`, {
    hint: didYouMean(odd, names) || "check the name, and db_schemas",
  });
}

async function readGeneration(options: EngineOptions): Promise<Generation> {
  const data = dataSchema(await options.readCatalog(), options);
  const types = graphqlTypes(data);
  // Now, so that a fault of ours shows at the start, and not as the answer to every query.
  assertValidSchema(types.schema);
  options.onNotes?.(data.notes);
  return {
    data,
    types,
    rootLists: data.relations.map(rootList),
    documents: new DocumentCache(options.limits.planCacheEntriesMax),
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

/** Parsed and validated texts, the least recently used forgotten first. */
class DocumentCache {
  readonly #documents = new Map<string, DocumentNode>();

  constructor(private readonly entriesMax: number) {}

  get(text: string, make: () => DocumentNode): DocumentNode {
    const known = this.#documents.get(text);
    if (known) {
      this.#documents.delete(text);
      this.#documents.set(text, known);
      return known;
    }
    const made = make();
    // A long text is hardly asked twice, and a thousand of them would be a gigabyte.
    if (text.length > cachedTextMax) return made;
    this.#documents.set(text, made);
    if (this.#documents.size > this.entriesMax) {
      const oldest = this.#documents.keys().next();
      if (!oldest.done) this.#documents.delete(oldest.value);
    }
    return made;
  }
}

const cachedTextMax = 16 * 1024;
