/** A query engine with a script and a diary, for tests of the transport alone. */

import type { ResultField } from "../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../lib/arrow/row_chunk.ts";
import { AppError } from "../../lib/errors.ts";
import type {
  BatchPlan,
  ExportRequest,
  Plan,
  QueryEngine,
  QueryRequest,
  RootField,
  RootList,
  RowsRoot,
  RunOptions,
  SplitOptions,
  ViewRequest,
} from "../../lib/query/query_engine.ts";

/** `id` Int32 not null, `name` Utf8. */
export const PEOPLE_FIELDS: readonly ResultField[] = [
  { kind: "scalar", name: "id", nullable: false, type: { kind: "int4" } },
  { kind: "scalar", name: "name", nullable: true, type: { kind: "text" } },
];

/** A root field of people, a list unless said otherwise. */
export function root(name: string, statement = 0, kind: "rows" | "row" = "rows"): RowsRoot {
  return { kind, name, field: name, fields: PEOPLE_FIELDS, statement };
}

export function value(name: string): RootField {
  return { kind: "value", name, field: name, value: "Query" };
}

/** What a text is planned as; an error is thrown. */
export type Script = Readonly<Record<string, readonly RootField[] | Error>>;

/** What a root's run gives; it may throw, wait for the signal, or never end. */
export type RunScript = (root: RowsRoot, signal: AbortSignal) => AsyncIterable<RowChunk>;

export class FakeEngine implements QueryEngine {
  readonly diary: string[] = [];
  /** Runs that have begun and not ended. */
  running = 0;
  refreshed = 0;
  private splits = 0;
  /** Chunks that were asked for. */
  asked = 0;

  constructor(
    private readonly script: Script = {},
    private readonly run: RunScript = () => people(3),
  ) {}

  plan(request: QueryRequest): Plan {
    this.diary.push(`plan ${request.text}`);
    const planned = this.script[request.text.trim()];
    if (planned instanceof Error) throw planned;
    if (!planned) {
      throw new AppError("PARSE_ERROR", `Syntax Error: ${request.text.slice(0, 40)}`);
    }
    return { operationName: request.operationName ?? null, roots: planned };
  }

  planView(request: ViewRequest): Plan {
    this.diary.push(`view ${JSON.stringify(request)}`);
    if (request.view !== "va_people") throw new AppError("NOT_FOUND", `no view ${request.view}`);
    return { operationName: null, roots: [root("va_people")] };
  }

  planExport(request: ExportRequest): Plan {
    this.diary.push(`export ${JSON.stringify(request)}`);
    if (request.table !== "people") throw new AppError("NOT_FOUND", `no table ${request.table}`);
    return { operationName: null, roots: [root("people")] };
  }

  planBatch(queries: readonly string[]): BatchPlan {
    const roots = queries.flatMap((text) => this.plan({ text }).roots);
    const ofRows = roots.filter((root) => root.kind !== "value");
    return { operationName: null, roots: ofRows.map((root, i) => ({ ...root, statement: i })) };
  }

  planWord(word: string): Plan {
    const list = this.rootLists().find(({ name }) => name === word);
    if (!list) throw new AppError("NOT_FOUND", `no root field ${word}`);
    return this.plan({ text: list.text });
  }

  async *rows(plan: Plan, { signal, root: index, part }: RunOptions): AsyncGenerator<RowChunk> {
    if (index === undefined) {
      for (const i of plan.roots.keys()) {
        for await (const chunk of this.rows(plan, { signal, root: i })) {
          yield { ...chunk, statement: i };
        }
      }
      return;
    }
    const asked = plan.roots[index];
    if (!asked || asked.kind === "value") throw new Error(`no rows at ${index}`);
    const of = part ? ` ${part.snapshot} ${part.range.from}-${part.range.to}` : "";
    this.diary.push(`run ${asked.name}${of}`);
    this.running++;
    try {
      for await (const chunk of this.run(asked, signal)) {
        this.asked++;
        yield chunk;
      }
      this.diary.push(`end ${asked.name}`);
    } finally {
      this.running--;
      if (signal.aborted) this.diary.push(`cancelled ${asked.name}`);
    }
  }

  /** Splits what has `people` for its name into parts of ten pages. */
  split(
    plan: Plan,
    { root: index, parts, beforeHolding }: SplitOptions,
  ): ReturnType<QueryEngine["split"]> {
    const name = plan.roots[index]?.name;
    this.diary.push(`split ${name}`);
    if (name !== "people") return Promise.resolve({ kind: "whole", why: `${name} is a view` });
    beforeHolding?.();
    const held = `0000-${++this.splits}`;
    const release = () => {
      this.diary.push(`release ${held}`);
      return Promise.resolve();
    };
    const ranges = Array.from({ length: parts }, (_, i) => ({
      from: 10 * i,
      to: i === parts - 1 ? null : 10 * (i + 1),
    }));
    return Promise.resolve({ kind: "parts", snapshot: { name: held, release }, ranges });
  }

  rootLists(): readonly RootList[] {
    return Object.entries(this.script).flatMap(([text, roots]) => {
      const [first] = roots instanceof Error ? [] : roots;
      if (!first || first.kind !== "rows" || (roots as RootField[]).length > 1) return [];
      return [{ name: first.name, text, description: null, rowsEstimate: null }];
    });
  }

  sdl(): string {
    return "type Query";
  }

  current(): null {
    return null;
  }

  failed(error: unknown): Promise<unknown> {
    return Promise.resolve(error);
  }

  refresh(): Promise<void> {
    this.refreshed++;
    return Promise.resolve();
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }
}

const encoder = new TextEncoder();

/** Rows 0..count-1 of `PEOPLE_FIELDS`, so many a chunk; every seventh name is null. */
export async function* people(count: number, chunkRows = 1000): AsyncGenerator<RowChunk> {
  for (let from = 0; from < count; from += chunkRows) {
    await Promise.resolve();
    yield peopleChunk(from, Math.min(count, from + chunkRows));
  }
}

/** `DataRow` messages as PostgreSQL sends them. */
export function peopleChunk(from: number, to: number): RowChunk {
  const bytes = new Uint8Array((to - from) * 64);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let id = from; id < to; id++) {
    const name = id % 7 === 6 ? null : encoder.encode(`name ${id} \u{1F600}`);
    const length = 4 + 2 + 4 + 4 + 4 + (name?.length ?? 0);
    view.setUint8(at, 0x44);
    view.setInt32(at + 1, length);
    view.setInt16(at + 5, 2);
    view.setInt32(at + 7, 4);
    view.setInt32(at + 11, id);
    view.setInt32(at + 15, name ? name.length : -1);
    if (name) bytes.set(name, at + 19);
    at += 1 + length;
  }
  return { statement: 0, bytes, start: 0, end: at };
}

/** Chunks without end, until the signal is aborted. */
export async function* endlessPeople(signal: AbortSignal): AsyncGenerator<RowChunk> {
  for (let from = 0;; from = (from + 1000) % 1_000_000) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (signal.aborted) throw signal.reason;
    yield peopleChunk(from, from + 1000);
  }
}

/** Nothing, until the signal is aborted. */
// deno-lint-ignore require-yield -- a run that gives no row is the point
export async function* silentPeople(signal: AbortSignal): AsyncGenerator<RowChunk> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  throw signal.reason;
}
