/**
 * The Flight server: the service's methods on a line. The edge where codes become gRPC statuses,
 * and where every call is logged and counted.
 */

import { type Address, type Unrepresentable } from "../lib/config.ts";
import {
  abortError,
  AppError,
  CODES,
  entriesOf,
  type ErrorCode,
  type ErrorEntry,
} from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import type { QueryEngine } from "../lib/query/query_engine.ts";
import type { EventSources } from "./event_stream.ts";
import { openGrpcJsLine } from "./grpc_js.ts";
import { type Call, CallStatus, type Handler, type Message, type Method } from "./line.ts";
import { HeldSnapshots } from "./held_snapshots.ts";
import { RunningStreams, streamsMost } from "./running_streams.ts";
import { type FlightCall, flightService, type ServiceMethod } from "./service.ts";

export interface FlightOptions {
  readonly engine: QueryEngine;
  readonly address: Address;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly unrepresentable: Unrepresentable;
  readonly events: EventSources;
  /** What the action RefreshSchema does. */
  readonly refresh: () => Promise<void>;
}

export interface FlightServer {
  readonly address: Address;
  /** `grpc://127.0.0.1:50051`, with the port it got. */
  readonly url: string;
  /** Refuses new calls, lets those under way end for so long, then cuts them. */
  stop(drainSeconds: number): Promise<void>;
}

/** Serves Arrow Flight; throws `BAD_INPUT` when the address cannot be had. */
export async function serveFlight(options: FlightOptions): Promise<FlightServer> {
  const { limits, metrics } = options;
  const streamMsMax = limits.statementSecondsMax * 1000;
  const snapshots = new HeldSnapshots(
    limits.partitionSnapshotsMax,
    limits.partitionSnapshotSeconds,
  );
  const counts = { queries: 0, events: 0 };
  const count = (of: keyof typeof counts) => (now: number) => {
    counts[of] = now;
    metrics.streams.set({ transport }, counts.queries + counts.events);
  };
  const eventStreams = new RunningStreams(
    { count: limits.flightEventStreamsMax, limit: "flight_event_streams_max" },
    streamMsMax,
    count("events"),
  );
  const service = flightService({
    ...options,
    snapshots,
    eventStreams,
    streams: new RunningStreams(streamsMost(limits), streamMsMax, count("queries")),
  });
  const line = await openGrpcJsLine({
    address: options.address,
    methods: METHODS.map(({ name, requests, responses }): Method => ({
      path: `/arrow.flight.protocol.FlightService/${name}`,
      requests,
      responses,
      handle: edge(name, service[name], options),
    })),
    // Twice a ticket, so that one that is too long still gets our own answer.
    messageBytesMax: 2 * limits.ticketBytesMax + envelopeBytes,
    headerBytesMax: limits.flightHeaderBytesMax,
    connectionCallsMax: limits.flightConnectionCallsMax,
    lingerMsMax: streamMsMax,
  });
  const { hostname, port } = line.address;
  return {
    address: line.address,
    url: `grpc://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    stop: async (drainSeconds) => {
      // They would go on for ever; who reads them goes on elsewhere, or here a little later.
      eventStreams.end(
        new AppError("UNAVAILABLE", "the server stops", { hint: "read on with `after`" }),
      );
      await line.stop(drainSeconds * 1000);
      snapshots.close();
    },
  };
}

const transport = "flight";

// deno-fmt-ignore: a table reads best as one
const METHODS = [
  { name: "Handshake",      requests: "many", responses: "many" },
  { name: "ListFlights",    requests: "one",  responses: "many" },
  { name: "GetFlightInfo",  requests: "one",  responses: "one" },
  { name: "PollFlightInfo", requests: "one",  responses: "one" },
  { name: "GetSchema",      requests: "one",  responses: "one" },
  { name: "DoGet",          requests: "one",  responses: "many" },
  { name: "DoPut",          requests: "many", responses: "many" },
  { name: "DoExchange",     requests: "many", responses: "many" },
  { name: "DoAction",       requests: "one",  responses: "many" },
  { name: "ListActions",    requests: "one",  responses: "many" },
] as const;

/** Every method of Flight. */
export const METHOD_NAMES: readonly string[] = METHODS.map(({ name }) => name);

/** What stands around a ticket in a request: an action's FlightInfo holds many and a schema. */
const envelopeBytes = 512 * 1024;

/** A method as the line takes it: its faults become statuses, its calls are logged and counted. */
function edge(
  name: string,
  method: ServiceMethod,
  { engine, log, metrics }: Pick<FlightOptions, "engine" | "log" | "metrics">,
): Handler {
  return async function* handle(call: Call): AsyncGenerator<Message> {
    const began = performance.now();
    const requestId = shortHeader(call, "x-request-id") ?? crypto.randomUUID();
    const told: FlightCall = {
      signal: call.signal,
      requests: call.requests,
      ended: call.ended,
      header: (name) => call.header(name),
      answerHeader: (name, value) => call.answerHeader(name, value),
      abort: (reason) => call.abort(reason),
      operation: null,
      rows: 0,
    };
    let bytes = 0;
    let code: ErrorCode | "OK" = "OK";
    let fault: AppError | undefined;

    void call.ended.then(() => {
      const ended = code === "OK" && call.signal.aborted ? abortError(call.signal).code : code;
      const seconds = (performance.now() - began) / 1000;
      metrics.requests.inc({ transport, code: ended });
      metrics.requestSeconds.observe({ transport }, seconds);
      metrics.rows.inc({ transport }, told.rows);
      metrics.bytes.inc({ transport }, bytes);
      log.info("request", {
        transport,
        requestId,
        method: name,
        operation: told.operation,
        peer: call.peer,
        code: ended,
        // Of other codes the message can hold values of the query.
        ...(fault?.code === "UNAVAILABLE" && { cause: fault }),
        rows: told.rows,
        bytes,
        ms: Math.round(seconds * 1e6) / 1000,
      });
    });

    try {
      if (call.signal.aborted) throw abortError(call.signal);
      for await (const message of method(told)) {
        // Also where the rows come without looking at the signal.
        if (call.signal.aborted) throw abortError(call.signal);
        bytes += message.byteLength;
        yield message;
      }
      if (call.signal.aborted) throw abortError(call.signal);
    } catch (error) {
      fault = shownError(await engine.failed(error, began), name, requestId, log);
      code = fault.code;
      throw toCallStatus(fault, requestId);
    }
  };
}

/**
 * Any error as one that a client may see, as HTTP has it: of a fault of ours the client gets the
 * request's id, the log gets the cause.
 */
function shownError(error: unknown, method: string, requestId: string, log: Log): AppError {
  if (error instanceof AppError && error.code !== "INTERNAL") return error;
  log.error("internal", { transport, requestId, method, cause: error });
  return new AppError("INTERNAL", "the server failed on this request", {
    hint: `its log has the reason under the id ${requestId}`,
    ...(error instanceof AppError && error.path && { path: error.path }),
  });
}

/** An error of ours as a gRPC status; its entries travel in the trailer `fraiseql-error`. */
function toCallStatus(error: AppError, requestId: string): CallStatus {
  const hint = error.hint === undefined ? "" : ` (hint: ${error.hint})`;
  const more = error.others.length === 0 ? "" : `; and ${error.others.length} more`;
  const message = cut(error.message) + cut(hint) + more;
  return new CallStatus(CODES[error.code].grpc, message, {
    [errorTrailer]: trailerText(entriesOf(error, requestId)),
  });
}

/** The trailing header with the error's entries as JSON, as HTTP has them in `errors`. */
const errorTrailer = "fraiseql-error";

/** gRPC clients refuse more than 8 KiB of headers in all: message, hint and trailer share them. */
const messageBytesMax = 1500;
const trailerBytesMax = 3500;

/** JSON in printable ASCII: of many entries as many as there is room for, but one. */
function trailerText(entries: readonly ErrorEntry[]): string {
  const parts: string[] = [];
  let room = trailerBytesMax;
  for (const entry of entries) {
    const part = ascii({ ...entry, message: entry.message.slice(0, messageBytesMax) });
    if (part.length > room) break;
    room -= part.length + 1;
    parts.push(part);
  }
  const [first] = entries;
  if (first && parts.length === 0) {
    parts.push(ascii({ message: cut(first.message), extensions: { code: first.extensions.code } }));
  }
  return `[${parts.join(",")}]`;
}

function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** The text, or its beginning where it is too long as gRPC writes it, percent-encoded. */
function cut(text: string): string {
  let end = Math.min(text.length, messageBytesMax);
  while (encodeURI(text.slice(0, end).toWellFormed()).length > messageBytesMax) {
    end = Math.floor(end * 0.8);
  }
  return end < text.length ? text.slice(0, end) + "..." : text;
}

/** A header that goes into the log, where it is no longer than an id. */
function shortHeader(call: Call, name: string): string | undefined {
  const value = call.header(name);
  return value !== undefined && value.length <= 200 ? value : undefined;
}
