/** Arrow's messages -> the messages of a Flight stream. */

import type { IpcMessage } from "../lib/arrow/record_batches.ts";
import type { Message } from "./line.ts";
import { flightData, wholeMessage } from "./protobuf.ts";

/** A batch, and what its message carries beside it. */
export interface FlightBatch extends IpcMessage {
  readonly appMetadata?: Uint8Array;
}

/**
 * The schema, asked for when its metadata can be known, then the batches; a message's bytes are valid until the next is asked for. `sent` is
 * told of each batch's rows when it has been handed on.
 *
 * The schema is held back until the first batch is there or the rows have ended well, because a
 * client takes a schema as success: a query that fails must be an error, not an empty table.
 */
export async function* toFlight(
  schema: () => Uint8Array,
  messages: AsyncIterable<FlightBatch>,
  sent: (rows: number) => void,
): AsyncGenerator<Message> {
  // Dictionaries come first and say nothing about success, so they are held back too.
  let held: Message[] | null = [];
  const begin = (dictionaries: Message[]) => [
    wholeMessage(encodeFlightData(schema(), [], 0)),
    ...dictionaries,
  ];
  for await (const { kind, header, body, bodyBytes, rows, appMetadata } of messages) {
    if (kind === "dictionary" && held) {
      held.push(wholeMessage(encodeFlightData(header, body, bodyBytes)));
      continue;
    }
    if (held) yield* begin(held);
    held = null;
    yield flightData(header, body, bodyBytes, appMetadata);
    if (kind === "batch") sent(rows);
  }
  if (held) yield* begin(held);
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
