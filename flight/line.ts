/**
 * The line under Flight: gRPC calls over HTTP/2, as small as Flight needs them. A request comes in
 * as bytes with headers, a stream of messages goes out, a status ends it.
 *
 * `grpc_js.ts` carries it today. Whatever else carries it owes what is promised here, and nothing
 * in the other files of this folder would change.
 */

import type { Address } from "../lib/config.ts";
import type { AppError } from "../lib/errors.ts";

/** A message to be sent. Its bytes are written once, straight into the line's own buffer. */
export interface Message {
  readonly byteLength: number;
  /** Writes exactly `byteLength` bytes. */
  writeTo(target: Uint8Array, at: number): void;
}

/** One call, as its handler sees it. */
export interface Call {
  readonly path: string;
  /** The client's address and port. */
  readonly peer: string;
  /** The first value of a request header; names are lower case. */
  header(name: string): string | undefined;
  /** Sets a header of the answer, until its first message is sent; printable ASCII. */
  answerHeader(name: string, value: string): void;
  /**
   * Aborted with an `AppError` when there is nobody to answer any more: `TIMEOUT` at the client's
   * deadline, `CANCELLED` when it cancelled or its connection is gone, `TOO_LARGE`, `BAD_INPUT` or
   * `UNSUPPORTED` where the line cannot read the request; or by `abort`. An ordinary end does not
   * abort it.
   */
  readonly signal: AbortSignal;
  /**
   * Aborts the signal with a reason of ours. The handler is then asked for its next message even
   * when the client takes none, so that it can throw the status.
   */
  abort(reason: AppError): void;
  /** The client's messages; not asking holds the client back. May be read once. */
  readonly requests: AsyncIterable<Uint8Array>;
  /** Resolved when nothing is left to send: the client has all, or is gone. Never rejected. */
  readonly ended: Promise<void>;
}

/**
 * Answers a call. The line takes a message's bytes before it asks for the next, and does not ask
 * while the client reads too slowly. Returning is the status OK, a thrown `CallStatus` is that
 * status. The iteration is ended early (`return()`) when the client is gone.
 */
export type Handler = (call: Call) => AsyncIterable<Message>;

export interface Method {
  /** E.g. `/arrow.flight.protocol.FlightService/DoGet`. */
  readonly path: string;
  readonly requests: "one" | "many";
  readonly responses: "one" | "many";
  readonly handle: Handler;
}

/** How a call ends when it does not end well. */
export class CallStatus extends Error {
  override readonly name = "CallStatus";

  constructor(
    /** A gRPC status number, never 0. */
    readonly code: number,
    /** Any text; the line encodes what headers cannot hold. */
    message: string,
    /** Trailing headers; values are printable ASCII. */
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export interface LineOptions {
  readonly address: Address;
  readonly methods: readonly Method[];
  /** A longer request message ends its call, `TOO_LARGE`. */
  readonly messageBytesMax: number;
  /** More bytes of request headers: the signal is aborted, `TOO_LARGE`, before the handler runs. */
  readonly headerBytesMax: number;
  /** Calls under way on one connection; the client keeps more of them waiting. */
  readonly connectionCallsMax: number;
  /** A call that ended well on our side, but whose last bytes nobody takes, is cut off after this. */
  readonly lingerMsMax: number;
}

/** A line that listens. */
export interface Line {
  /** With the port it got. */
  readonly address: Address;
  /** Takes no more calls, waits this long for those under way, then cuts them. */
  stop(graceMs: number): Promise<void>;
}

/** Throws `AppError` `BAD_INPUT` when the address cannot be had. */
export type OpenLine = (options: LineOptions) => Promise<Line>;
