/** Both encoders over the same rows, as tests call them. */

import {
  arrowSchemaMessage,
  recordBatches,
  type RecordBatchOptions,
  streamBytes,
} from "../../../lib/arrow/record_batches.ts";
import type { ScalarType } from "../../../lib/arrow/column_types.ts";
import type { ResultField, ScalarField } from "../../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import { JsonRows } from "../../../lib/json/json_rows.ts";
import { chunk, chunks } from "./data_rows.ts";

export const options: RecordBatchOptions = {
  batchRowsMax: 10_000,
  batchBytesMax: 2 * 1024 * 1024,
  rowBytesMax: 64 * 1024 * 1024,
  unrepresentable: "error",
};

/** A field of one PostgreSQL type, nullable unless told otherwise. */
export function scalar(
  name: string,
  type: ScalarType | Exclude<ScalarType["kind"], "decimal" | "enum">,
  nullable = true,
): ScalarField {
  return { kind: "scalar", name, nullable, type: typeof type === "string" ? { kind: type } : type };
}

/** The rows as an Arrow stream. */
export function toArrow(
  fields: readonly ResultField[],
  rows: Uint8Array[] | RowChunk[],
  some: Partial<RecordBatchOptions> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const given = rows.map((row) => row instanceof Uint8Array ? chunk(row) : row);
  const messages = recordBatches(fields, chunks(...given), { ...options, ...some });
  return streamBytes(arrowSchemaMessage(fields), messages);
}

/** The rows as JSON, the commas included. */
export function toJson(
  fields: readonly ResultField[],
  rows: Uint8Array[] | RowChunk[],
  unrepresentable: "error" | "null" = "error",
): string {
  const json = new JsonRows(fields, { unrepresentable });
  for (const row of rows) json.push(row instanceof Uint8Array ? chunk(row) : row);
  return new TextDecoder("utf-8", { fatal: true }).decode(json.take());
}
