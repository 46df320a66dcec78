/** `BatchedQueries`: the rows of several queries as one stream, each batch with its query's index. */

import { recordBatches, type RecordBatchOptions } from "../lib/arrow/record_batches.ts";
import type { ResultField } from "../lib/arrow/result_field.ts";
import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import { AppError } from "../lib/errors.ts";
import type { RowsRoot } from "../lib/query/query_engine.ts";
import { placedErrors } from "./placed_errors.ts";
import type { FlightBatch } from "./to_flight.ts";

/** Throws `BAD_TICKET` that names the first difference between the queries' schemas. */
export function refuseUnequal(roots: readonly RowsRoot[]): void {
  const [first, ...others] = roots;
  if (!first) return;
  others.forEach((other, i) => {
    const found = listDifference(first.fields, other.fields, "");
    if (found === null) return;
    throw new AppError("BAD_TICKET", `queries[${i + 1}] has another schema: ${found}`, {
      hint: "select the same columns in the same order; an alias changes a column's name",
    });
  });
}

/** Batches query by query, in their order; a query without rows has none. */
export async function* batchedQueries(
  roots: readonly RowsRoot[],
  chunks: AsyncIterable<RowChunk>,
  options: RecordBatchOptions,
): AsyncGenerator<FlightBatch> {
  const source = new Statements(chunks);
  try {
    for (const [i, root] of roots.entries()) {
      const appMetadata = new TextEncoder().encode(String(i));
      const messages = recordBatches(root.fields, source.of(i), options);
      for await (const message of placedErrors(messages, root, `queries[${i}]: `)) {
        // The schemas are equal, so the labels are the same.
        if (message.kind === "dictionary" && i > 0) continue;
        yield { ...message, ...(message.kind === "batch" && { appMetadata }) };
      }
    }
  } finally {
    await source.close();
  }
}

/** Chunks that come statement by statement, taken apart. */
class Statements {
  private readonly iterator: AsyncIterator<RowChunk>;
  /** The first chunk of a later statement. */
  private waiting: RowChunk | null = null;

  constructor(chunks: AsyncIterable<RowChunk>) {
    this.iterator = chunks[Symbol.asyncIterator]();
  }

  async *of(statement: number): AsyncGenerator<RowChunk> {
    for (;;) {
      if (this.waiting && this.waiting.statement !== statement) return;
      const chunk = this.waiting ?? await this.next();
      if (chunk === null) return;
      this.waiting = chunk.statement === statement ? null : chunk;
      if (!this.waiting) yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  private async next(): Promise<RowChunk | null> {
    const { done, value } = await this.iterator.next();
    return done ? null : value;
  }
}

function listDifference(
  a: readonly ResultField[],
  b: readonly ResultField[],
  place: string,
): string | null {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [one, other] = [a[i], b[i]];
    const at = `column ${place}${i + 1}`;
    if (!one || !other) {
      return `${at} is ${one ? shown(one) : "not there"}, not ${other ? shown(other) : "there"}`;
    }
    if (shown(one) !== shown(other)) return `${at} is ${shown(other)}, not ${shown(one)}`;
    const inner = innerDifference(one, other, `${place}${i + 1}.`);
    if (inner !== null) return inner;
  }
  return null;
}

function innerDifference(a: ResultField, b: ResultField, place: string): string | null {
  if (a.kind === "object" && b.kind === "object") return listDifference(a.fields, b.fields, place);
  if (a.kind === "list" && b.kind === "list") return listDifference([a.item], [b.item], place);
  return null;
}

/** A column without what is inside it, so that equal texts are equal columns. */
function shown(field: ResultField): string {
  const name = JSON.stringify(field.name);
  switch (field.kind) {
    case "scalar":
      return `${name} ${typeText(field)}${nullText(field.nullable)}`;
    case "object":
    case "list":
      return `${name} ${field.kind}${nullText(field.nullable)}`;
    case "constant":
      return `${name} text${nullText(false)}`;
    default:
      return field satisfies never;
  }
}

const nullText = (nullable: boolean) => nullable ? "" : " not null";

/** Several types of PostgreSQL are one of Arrow; enums differ by their labels. */
function typeText({ type }: ResultField & { kind: "scalar" }): string {
  switch (type.kind) {
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "enum":
      return `enum(${type.labels.join(", ")})`;
    case "numeric":
    case "uuid":
    case "interval":
      return "text";
    case "jsonb":
      return "json";
    default:
      return type.kind;
  }
}
