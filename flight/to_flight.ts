/** Rows of a plan -> the messages of a Flight stream. */

import type { ResultField } from "../lib/arrow/result_field.ts";
import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import {
  arrowSchemaMessage,
  type Compression,
  recordBatches,
} from "../lib/arrow/record_batches.ts";
import type { Unrepresentable } from "../lib/config.ts";
import type { Limits } from "../lib/limits.ts";
import type { Message } from "./line.ts";
import { flightData, wholeMessage } from "./protobuf.ts";

export interface FlightOptions {
  readonly limits: Limits;
  readonly unrepresentable: Unrepresentable;
  /** How bodies are compressed; not when absent or null. */
  readonly compression?: Compression | null;
  /** Told of each batch as it is handed on. */
  readonly sent: (rows: number) => void;
}

/**
 * The schema, then the batches; a message's bytes are valid until the next is asked for.
 *
 * The schema is held back until the first batch is there or the rows have ended well, because a
 * client takes a schema as success: a query that fails must be an error, not an empty table.
 */
export async function* toFlight(
  fields: readonly ResultField[],
  chunks: AsyncIterable<RowChunk>,
  { limits, unrepresentable, compression = null, sent }: FlightOptions,
): AsyncGenerator<Message> {
  const batches = recordBatches(fields, chunks, {
    batchRowsMax: limits.batchRowsMax,
    batchBytesMax: limits.batchBytesMax,
    rowBytesMax: limits.flightRowBytesMax,
    unrepresentable,
    compression,
  });
  // Dictionaries come first and say nothing about success, so they are held back too.
  let held: Message[] | null = [wholeMessage(encodeFlightData(arrowSchemaMessage(fields), [], 0))];
  for await (const { kind, header, body, bodyBytes, rows } of batches) {
    if (kind === "dictionary" && held) {
      held.push(wholeMessage(encodeFlightData(header, body, bodyBytes)));
      continue;
    }
    if (held) yield* held;
    held = null;
    yield flightData(header, body, bodyBytes);
    if (kind === "batch") sent(rows);
  }
  if (held) yield* held;
}

/** The same as bytes of its own, that stay valid. */
function encodeFlightData(
  header: Uint8Array,
  body: readonly Uint8Array[],
  bodyBytes: number,
): Uint8Array {
  const message = flightData(header, body, bodyBytes);
  const bytes = new Uint8Array(message.byteLength);
  message.writeTo(bytes, 0);
  return bytes;
}
