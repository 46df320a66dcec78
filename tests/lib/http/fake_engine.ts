/** A query engine with a script and a diary: it answers texts with hand-made rows. */

import type { ResultField } from "../../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import { abortError, AppError } from "../../../lib/errors.ts";
import type {
  BatchPlan,
  Plan,
  QueryEngine,
  QueryRequest,
  RootField,
  RootList,
  RunOptions,
} from "../../../lib/query/query_engine.ts";

/** What a text is answered with: an error, or roots and their chunks. */
export type Answer = Error | {
  readonly roots: readonly RootField[];
  readonly operationName?: string;
  readonly chunks?: (signal: AbortSignal) => AsyncIterable<RowChunk>;
};

const typename: Answer = {
  roots: [{ kind: "value", name: "__typename", field: "__typename", value: "Query" }],
};

/** Knows `{ __typename }`, what the published audit asks, and the script's texts. */
export class FakeEngine implements QueryEngine {
  /** What was asked, in order. */
  readonly diary: string[] = [];
  readonly requests: QueryRequest[] = [];
  /** Chunks that the transport took. */
  chunksAsked = 0;

  constructor(private readonly script: Readonly<Record<string, Answer>> = {}) {}

  plan(request: QueryRequest): Plan {
    this.diary.push(`plan ${request.text.slice(0, 60)}`);
    this.requests.push(request);
    const answer = this.script[request.text] ?? knownText(request);
    if (answer instanceof Error) throw answer;
    const plan = { operationName: answer.operationName ?? null, roots: answer.roots };
    this.answers.set(plan, answer);
    return plan;
  }

  async *rows(plan: Plan, { signal }: RunOptions): AsyncIterable<RowChunk> {
    this.diary.push("rows");
    let whole = false;
    try {
      const answer = this.answers.get(plan);
      const chunks = answer && !(answer instanceof Error) ? answer.chunks?.(signal) : undefined;
      for await (const chunk of chunks ?? []) {
        this.chunksAsked++;
        yield chunk;
      }
      whole = true;
    } finally {
      this.diary.push(whole ? "end" : signal.aborted ? "aborted" : "left");
      this.ended();
    }
  }

  private readonly answers = new WeakMap<Plan, Answer>();
  private ended = () => {};
  /** Settles when a `rows` has come to an end of any kind. */
  readonly rowsEnded: Promise<void> = new Promise((resolve) => this.ended = resolve);

  planView(): Plan {
    throw new AppError("NOT_FOUND", "no views");
  }
  planExport(): Plan {
    throw new AppError("NOT_FOUND", "no tables");
  }
  planBatch(): BatchPlan {
    throw new AppError("BAD_TICKET", "no batches");
  }
  planWord(): Plan {
    throw new AppError("NOT_FOUND", "no words");
  }
  split(): ReturnType<QueryEngine["split"]> {
    return Promise.resolve({ kind: "whole", why: "HTTP splits nothing" });
  }
  rootLists(): readonly RootList[] {
    return [];
  }
  sdl(): string {
    return "type Query { users: [User!]! }\n";
  }
  current(): null {
    return null;
  }

  failed(error: unknown): Promise<unknown> {
    return Promise.resolve(error);
  }
  async refresh(): Promise<void> {}
  async ping(): Promise<void> {}
}

/** The texts of the audit, and for all else what a real engine says to nonsense. */
function knownText({ text, variables }: QueryRequest): Answer {
  if (/^(query \w*)? *\{ *__typename *\}$/.test(text)) return typename;
  if (/^query (Type|CoerceFailure)?\(/.test(text.trim())) {
    const { name, id } = variables ?? {};
    return typeof name === "string" && id === undefined
      ? { roots: [{ kind: "value", name: "__type", field: "__type", value: { name } }] }
      : new AppError("BAD_INPUT", "a variable has the wrong type");
  }
  if (/^mutation/.test(text)) return new AppError("UNSUPPORTED", "mutations are not supported");
  if (!text.startsWith("{") || !text.endsWith("}")) {
    return new AppError("PARSE_ERROR", "syntax error", { locations: [{ line: 1, column: 1 }] });
  }
  return new AppError("VALIDATION_ERROR", "no such field");
}

export const int = (name: string): ResultField => ({
  kind: "scalar",
  name,
  nullable: false,
  type: { kind: "int4" },
});
export const words = (name: string): ResultField => ({
  kind: "scalar",
  name,
  nullable: true,
  type: { kind: "text" },
});
export const date = (name: string): ResultField => ({
  kind: "scalar",
  name,
  nullable: true,
  type: { kind: "date" },
});

/** A root of rows, the statement being its place among them. */
export function root(
  name: string,
  fields: readonly ResultField[],
  { kind = "rows", statement = 0 }: { kind?: "rows" | "row"; statement?: number } = {},
): RootField {
  return { kind, name, field: name, fields, statement };
}

/** `DataRow` messages: numbers as int4, texts as they are. */
export function chunk(
  rows: readonly (readonly (number | string | null)[])[],
  statement = 0,
): RowChunk {
  const bytes: number[] = [];
  const int32 = (n: number) => bytes.push(n >>> 24 & 255, n >>> 16 & 255, n >>> 8 & 255, n & 255);
  for (const row of rows) {
    const values = row.map((value) => typeof value === "string" ? [...utf8.encode(value)] : value);
    const size = values.reduce<number>(
      (sum, v) => sum + 4 + (Array.isArray(v) ? v.length : v === null ? 0 : 4),
      6,
    );
    bytes.push(0x44);
    int32(size);
    bytes.push(row.length >> 8, row.length & 255);
    for (const value of values) {
      if (value === null) int32(-1);
      else if (Array.isArray(value)) {
        int32(value.length);
        for (const byte of value) bytes.push(byte);
      } else {
        int32(4);
        int32(value);
      }
    }
  }
  return { statement, bytes: Uint8Array.from(bytes), start: 0, end: bytes.length };
}

const utf8 = new TextEncoder();

/** A date that JSON cannot hold. */
export const infinity = 0x7fffffff;

/** Chunks from a list; an error in it is thrown there. */
export function list(...items: (RowChunk | Error)[]): () => AsyncIterable<RowChunk> {
  return async function* () {
    for (const item of items) {
      if (item instanceof Error) throw item;
      yield await Promise.resolve(item);
    }
  };
}

/** The same chunk again and again. */
export function many(count: number, item: RowChunk): () => AsyncIterable<RowChunk> {
  return async function* () {
    for (let i = 0; i < count; i++) yield await Promise.resolve(item);
  };
}

/** The chunks, and then nothing until the signal is aborted, as a query that takes long. */
export function silent(...items: RowChunk[]): (signal: AbortSignal) => AsyncIterable<RowChunk> {
  return async function* (signal) {
    yield* items;
    await new Promise<void>((_, reject) => {
      if (signal.aborted) reject(abortError(signal));
      signal.addEventListener("abort", () => reject(abortError(signal)));
    });
  };
}
