/**
 * The whole way of a query, for every transport: text -> document -> valid -> plan -> SQL -> rows.
 * The schema is read from the database once and kept until it is asked to be read again; a query
 * ends with the schema it began with.
 */

import type { RowChunk } from "../arrow/row_chunk.ts";
import { misfits } from "../arrow/row_faults.ts";
import { AppError, type ErrorCode, SchemaChanged } from "../errors.ts";
import { didYouMean } from "../config.ts";
import { catalogDigest } from "./catalog_digest.ts";
import { CatalogWatch } from "./catalog_watch.ts";
import { chosen, type CompiledPlan, compileRoot, splittable } from "./compile_plan.ts";
import type { SqlStatement } from "./database.ts";
import type { EngineOptions } from "./engine_options.ts";
import { type Generation, makeGeneration, sdlText } from "./generation.ts";
import { openKeptResults, refuseUnknown } from "./kept_results.ts";
import { type PlannedOperation, planQuery } from "./plan.ts";
import { batchOf } from "./plan_batch.ts";
import { planExport, planView } from "./plan_view.ts";
import type {
  BatchPlan,
  ExportRequest,
  Plan,
  QueryEngine,
  QueryRequest,
  RunOptions,
  SplitOptions,
  ViewRequest,
} from "./query_engine.ts";
import { isElsewhere, readStatements, type Statement } from "./read_statements.ts";
import { short } from "./scalars.ts";
import { pageRanges, whyWhole } from "./split.ts";
import { compileRead } from "./sql.ts";
import { validDocument } from "./validate.ts";

/** Reads the catalog and answers queries by it. */
export async function openEngine(options: EngineOptions): Promise<QueryEngine> {
  const { database, limits, unrepresentable, events, search } = options;
  const others = { events: events ?? null, search: search?.store ?? null };
  const searched = search?.columns ?? [];
  const first = await readAll(options);
  let stamp = first.stamp;
  let generation = await makeGeneration(first.catalog, options);
  refuseUnknown("flight_views", options.views, generation.data);
  let [begun, shown] = [0, 0];
  /** The number of the first generation of this catalog, and when it was shown. */
  let [changedBy, changedAt] = [0, -Infinity];
  const cache = options.resultCache
    ? await openKeptResults(options.resultCache, generation, options)
    : null;

  const show = (read: Generation, mine: number) => {
    // One that began later has seen more, even where it was done earlier.
    if (mine <= shown) return;
    if (read.digest !== generation.digest) [changedBy, changedAt] = [mine, performance.now()];
    [generation, shown] = [read, mine];
    cache?.results.clear();
  };
  const watch = new CatalogWatch({
    limits,
    log: options.log ?? null,
    ...options.readStamp && { isSame: async () => await options.readStamp?.() === stamp },
    read: async () => {
      const mine = ++begun;
      const { catalog, stamp: seen } = await readAll(options);
      if (mine === begun) stamp = seen;
      // The same again would forget texts and results for nothing.
      if (catalogDigest(catalog) === generation.digest) return false;
      show(await makeGeneration(catalog, options), mine);
      options.onChanged?.();
      return true;
    },
  });

  /** Where numbers that do not fit become null, tells at the end where they are of another type. */
  async function* confirmed(rows: AsyncIterable<RowChunk>, of: number): AsyncIterable<RowChunk> {
    const before = misfits.count;
    yield* rows;
    if (misfits.count === before) return;
    // Here and not before, since the read has given its connection back, and a look takes one.
    await watch.confirm();
    if (of < changedBy) throw mended("numbers of the result are not of the planned type");
  }
  const checked = (rows: AsyncIterable<RowChunk>, of: number) =>
    unrepresentable === "null" ? confirmed(rows, of) : rows;

  const compile = (
    operation: Pick<PlannedOperation, "operationName" | "roots">,
    hitsAsRows = false,
  ): CompiledPlan => {
    const statements: Statement[] = [];
    const keepable = new Set<Statement>();
    const roots = operation.roots.map((root) => {
      const before = statements.length;
      const compiled = compileRoot(root, statements, {
        unrepresentable,
        generation: shown,
        hitsAsRows,
      });
      const added = statements.slice(before);
      // Events are never kept: the configuration names relations of PostgreSQL.
      const mayKeep = added.length > 0 && !added.some(isElsewhere);
      if (cache && mayKeep && cache.mayKeep(root, generation)) {
        for (const statement of added) keepable.add(statement);
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
    const document = known ?? validDocument(request.text, types.schema, limits);
    const operation = planQuery(document, request, types.schema, data, limits, searched);
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
    const made = compile(operation, request.hitsAsRows);
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
      return compile({ operationName, roots }, true) as CompiledPlan & BatchPlan;
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
        rowBytesMax: limits.rowBytesMax,
        ...run.found && { found: run.found },
      };
      if (part) {
        const { statement } = compileRead(
          { ...splittable(planned[run.root ?? 0]), range: part.range },
          { unrepresentable, generation: of },
        );
        const rows = database.rows([statement], { ...options, snapshot: part.snapshot });
        return checked(rows, of);
      }
      const asked = chosen(statements, roots, run.root);
      const read = () => readStatements(asked, database, others, options);
      // A plan of an earlier schema would be kept for nobody.
      const isKept = cache && of === shown && asked.length > 0 &&
        asked.every((statement) => keepable.has(statement));
      if (!isKept) return checked(read(), of);
      const { role, results } = cache;
      const key = {
        role,
        viewer: "anyone",
        generation: shown,
        statements: asked as readonly SqlStatement[],
      } as const;
      return checked(results.rows(key, read, run), of);
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
    current: () => watch.current(),
    async failed(error: unknown, began: number) {
      if (!(error instanceof AppError)) return error;
      if (error instanceof SchemaChanged) await watch.changed();
      else if (REFUSALS.includes(error.code)) await watch.doubted();
      // As a cause it is a guess: the value itself may be at fault.
      else if (error.cause instanceof SchemaChanged) {
        await watch.confirm();
        // Perhaps somebody else met the change while this was read.
        if (changedAt > began) return mended(error.message, error.path);
      }
      return error;
    },
    rootLists: () => generation.rootLists,
    sdl: () => generation.sdl ??= sdlText(generation),
    refresh: () =>
      watch.refresh(async () => {
        const mine = ++begun;
        const { catalog, stamp: seen } = await readAll(options);
        const made = await makeGeneration(catalog, options);
        if (mine === begun) stamp = seen;
        show(made, mine);
      }),
    ping: (signal) => database.ping(signal),
  };
}

/** The catalog, with its stamp from before: the next look sees what was changed in between. */
async function readAll({ readStamp, readCatalog }: EngineOptions) {
  const stamp = readStamp ? await readStamp() : null;
  return { stamp, catalog: await readCatalog() };
}

/** What a `SchemaChanged` says, where the catalog has been read again already. */
function mended(message: string, path?: AppError["path"]): AppError {
  const { code, hint = "", retryAfterSeconds = 1 } = new SchemaChanged(message);
  return new AppError(code, message, { hint, retryAfterSeconds, ...path && { path } });
}

/** What a request is refused with that knows a later schema: a new field, label or view. */
const REFUSALS: readonly ErrorCode[] = ["VALIDATION_ERROR", "BAD_INPUT", "NOT_FOUND"];

/**
 * What tells requests apart; null for one that is hardly asked again, and where JSON writes null, since
 * it does so for an infinity too.
 */
function planKey({ text, operationName, variables, hitsAsRows }: QueryRequest): string | null {
  const values = variables ? JSON.stringify(variables) : "";
  if (values.includes("null")) return null;
  return `${operationName ?? ""}\0${values}\0${hitsAsRows ? "rows" : ""}\0${text}`;
}

/** An introspection is large, and asked seldom. */
function isSmall({ roots }: PlannedOperation): boolean {
  return roots.every(({ kind, field }) => kind !== "value" || field === "__typename");
}
