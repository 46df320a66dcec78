/**
 * The methods of Arrow Flight over the query engine: each takes a call and gives messages. Knows
 * neither gRPC nor PostgreSQL. https://arrow.apache.org/docs/format/Flight.html
 */

import { eventTableSchema } from "../lib/arrow/event_batches.ts";
import {
  arrowSchemaMessage,
  type Compression,
  encapsulated,
  recordBatches,
} from "../lib/arrow/record_batches.ts";
import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import { suggestion, type Unrepresentable } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { Plan, QueryEngine, RowsRoot } from "../lib/query/query_engine.ts";
import { batchedQueries, refuseUnequal } from "./batched.ts";
import { compressionHeader, compressionOf } from "./compression.ts";
import { eventsAsked, refuseIdle } from "./events_asked.ts";
import { type EventSources, eventStream } from "./event_stream.ts";
import type { Message } from "./line.ts";
import {
  ACTION,
  ACTION_TYPE,
  CANCEL_FLIGHT_INFO_REQUEST,
  CANCEL_FLIGHT_INFO_RESULT,
  CANCEL_STATUS,
  CRITERIA,
  decodeMessage,
  DESCRIPTOR_TYPE,
  encodeMessage,
  FLIGHT_DESCRIPTOR,
  FLIGHT_ENDPOINT,
  FLIGHT_INFO,
  HANDSHAKE,
  type MessageOf,
  POLL_INFO,
  RESULT,
  SCHEMA_RESULT,
  TICKET,
  wholeMessage,
} from "./protobuf.ts";
import type { HeldSnapshots } from "./held_snapshots.ts";
import { partitionsOf, partRows, whole } from "./partitions.ts";
import { placedErrors } from "./placed_errors.ts";
import { fieldsOf, ofField, oneRoot, rowsRoots } from "./roots.ts";
import type { RunningStreams } from "./running_streams.ts";
import {
  decodeTicket,
  encodeTicket,
  type EventsTicket,
  type PlannedTicket,
  type QueryTicket,
  queryTicket,
  type Ticket,
} from "./ticket.ts";
import { toFile } from "./to_file.ts";
import { type FlightBatch, toFlight } from "./to_flight.ts";

/** What a method needs of its call, and what it tells for the log. */
export interface FlightCall {
  readonly signal: AbortSignal;
  readonly requests: AsyncIterable<Uint8Array>;
  /** When the client has all of the answer, or is gone. */
  readonly ended: Promise<void>;
  /** The first value of a request header; names are lower case. */
  header(name: string): string | undefined;
  /** Sets a header of the answer, until its first message is sent. */
  answerHeader(name: string, value: string): void;
  /** Aborts the signal with this reason, which becomes the call's status. */
  abort(reason: AppError): void;
  operation: string | null;
  rows: number;
}

export interface ServiceOptions {
  readonly engine: QueryEngine;
  readonly limits: Limits;
  readonly unrepresentable: Unrepresentable;
  readonly streams: RunningStreams;
  readonly snapshots: HeldSnapshots;
  /** Those of events: they hold no connection of PostgreSQL, and some take days. */
  readonly eventStreams: RunningStreams;
  readonly events: EventSources;
  /** Reads the catalog again, here and wherever else it is kept. */
  readonly refresh: () => Promise<void>;
}

export type ServiceMethod = (call: FlightCall) => AsyncIterable<Message>;

/** Every method of `arrow.flight.protocol.FlightService` by its name. */
export function flightService(options: ServiceOptions) {
  const { engine, limits, streams, snapshots } = options;

  /** Open to everyone: whatever is presented is accepted. */
  async function* handshake(call: FlightCall): AsyncGenerator<Message> {
    for await (const bytes of call.requests) {
      const { protocolVersion, payload } = decodeMessage(HANDSHAKE, bytes);
      yield wholeMessage(encodeMessage(HANDSHAKE, { protocolVersion, payload }));
    }
  }

  async function* listFlights(call: FlightCall): AsyncGenerator<Message> {
    const { expression } = decodeMessage(CRITERIA, await oneRequest(call));
    const wanted = utf8(expression, "the criteria");
    await engine.current();
    for (const { name } of engine.rootLists()) {
      if (!name.includes(wanted)) continue;
      const ticket: PlannedTicket = { kind: "word", word: name };
      const info = flightInfo(ticket, await planOf(ticket));
      info.flightDescriptor = { type: DESCRIPTOR_TYPE.path, cmd: new Uint8Array(), path: [name] };
      yield wholeMessage(encodeMessage(FLIGHT_INFO, info));
    }
  }

  async function* getFlightInfo(call: FlightCall): AsyncGenerator<Message> {
    yield wholeMessage(encodeMessage(FLIGHT_INFO, await describe(call)));
  }

  /** Planning needs no time that a client would have to wait for: the answer is complete at once. */
  async function* pollFlightInfo(call: FlightCall): AsyncGenerator<Message> {
    const info = await describe(call);
    yield wholeMessage(encodeMessage(POLL_INFO, { info, progress: 1 }));
  }

  async function describe(call: FlightCall): Promise<MessageOf<typeof FLIGHT_INFO>> {
    const descriptor = decodeMessage(FLIGHT_DESCRIPTOR, await oneRequest(call));
    const ticket = carryingCompression(readDescriptor(descriptor), call);
    if (ticket.kind === "events") {
      call.operation = eventsOperation;
      refuseIdle(eventsAsked(ticket));
      const info = infoOf(eventTableSchema(), [endpoint(ticket, null)]);
      return { ...info, flightDescriptor: descriptor };
    }
    const plan = await planOf(ticket);
    call.operation = plan.operationName;
    const info = ticket.kind === "query" && ticket.partitions !== null
      ? await partitioned({ ...ticket, partitions: ticket.partitions }, plan, call.signal)
      : flightInfo(ticket, plan);
    return { ...info, flightDescriptor: descriptor };
  }

  async function partitioned(
    ticket: QueryTicket & { readonly partitions: number },
    plan: Plan,
    signal: AbortSignal,
  ): Promise<MessageOf<typeof FLIGHT_INFO>> {
    const roots = rowsRoots(plan);
    const isOne = roots.length === 1 || ticket.field !== null;
    const { tickets, expiresAt, told } = isOne
      ? await partitionsOf(ticket, plan, oneRoot(ticket, plan)[0], { ...options, signal })
      : whole(ticket, "the query has several root fields, of which each is an endpoint");
    const [first] = tickets;
    if (!first) throw new Error("a read in no parts");
    const info = flightInfo(first, plan);
    return {
      ...info,
      ...(expiresAt !== null && { endpoint: tickets.map((each) => endpoint(each, expiresAt)) }),
      appMetadata: encoder.encode(JSON.stringify(told)),
    };
  }

  async function* getSchema(call: FlightCall): AsyncGenerator<Message> {
    const ticket = readDescriptor(decodeMessage(FLIGHT_DESCRIPTOR, await oneRequest(call)));
    if (ticket.kind === "events") {
      call.operation = eventsOperation;
      const schema = encapsulated(eventTableSchema());
      yield wholeMessage(encodeMessage(SCHEMA_RESULT, { schema }));
      return;
    }
    const plan = await planOf(ticket);
    call.operation = plan.operationName;
    const [, root] = oneRoot(ticket, plan);
    yield wholeMessage(encodeMessage(SCHEMA_RESULT, { schema: schemaOf(ticket, root) }));
  }

  async function* doGet(call: FlightCall): AsyncGenerator<Message> {
    const bytes = decodeMessage(TICKET, await oneRequest(call)).ticket;
    const ticket = decodeTicket(bytes, limits);
    const compression = compressionOf(call.header(compressionHeader), ticket);
    if (ticket.kind === "events") {
      yield* getEvents(ticket, compression, call);
      return;
    }
    const plan = await planOf(ticket);
    call.operation = plan.operationName;
    const [index, root] = oneRoot(ticket, plan);
    const stream = streams.open(encodeTicket(ticket, limits), (reason) => call.abort(reason));
    // Not in a `finally` here: what was given to the client may still be on its way.
    void call.ended.then(() => streams.close(stream));
    const metadata: Record<string, string> = {};
    const found = (total: number) => metadata.total = String(total);
    const chunks = rowsOf(ticket, plan, index, call, found);
    const messages = messagesOf(ticket, plan, root, chunks, compression);
    yield* toFlight(
      () => arrowSchemaMessage(fieldsOf(ticket, root), metadata),
      messages,
      (rows) => call.rows += rows,
    );
  }

  async function* getEvents(
    ticket: EventsTicket,
    compression: Compression | null,
    call: FlightCall,
  ): AsyncGenerator<Message> {
    call.operation = eventsOperation;
    const asked = eventsAsked(ticket);
    refuseIdle(asked);
    const { eventStreams, events } = options;
    const [limit, secondsMax] = ticket.follow
      ? ["follow_seconds_max", limits.followSecondsMax]
      : ["statement_seconds_max", limits.statementSecondsMax];
    const time = {
      msMax: secondsMax * 1000,
      hint: `read on with \`after\`, or raise limits.${limit}`,
    };
    const name = encodeTicket(ticket, limits);
    const stream = eventStreams.open(name, (reason) => call.abort(reason), time);
    void call.ended.then(() => eventStreams.close(stream));
    const messages = eventStream(events, asked, {
      batchRowsMax: limits.batchRowsMax,
      batchBytesMax: limits.batchBytesMax,
      rowBytesMax: limits.flightRowBytesMax,
      idleMs: limits.followIdleMsMax,
      retryMs: Math.min(followRetryMs, limits.retryWaitMsMax),
      compression,
      signal: call.signal,
    });
    yield* toFlight(eventTableSchema, messages, (rows) => call.rows += rows);
  }

  function rowsOf(
    ticket: PlannedTicket,
    plan: Plan,
    root: number,
    call: FlightCall,
    found: (total: number) => void,
  ) {
    const { signal } = call;
    const fromCache = (ageSeconds: number) => {
      call.answerHeader("age", String(ageSeconds));
      call.answerHeader("x-fraiseql-cache", "hit");
    };
    if (ticket.kind === "batch") return engine.rows(plan, { signal, fromCache });
    if (ticket.kind !== "query" || ticket.partition === null) {
      return engine.rows(plan, { signal, root, fromCache, found });
    }
    const partition = { ...ticket, partition: ticket.partition };
    return partRows(partition, plan, root, { ...options, signal, ended: call.ended });
  }

  function messagesOf(
    ticket: PlannedTicket,
    plan: Plan,
    root: RowsRoot,
    chunks: AsyncIterable<RowChunk>,
    compression: Compression | null,
  ): AsyncIterable<FlightBatch> {
    const { unrepresentable } = options;
    const rowBytesMax = limits.flightRowBytesMax;
    if (ticket.kind === "export" && ticket.format !== "arrow") {
      const { format } = ticket;
      const file = { format, unrepresentable, compression, rowBytesMax };
      return placedErrors(toFile(root.fields, chunks, file), root);
    }
    const { batchRowsMax, batchBytesMax } = limits;
    const all = { batchRowsMax, batchBytesMax, rowBytesMax, unrepresentable, compression };
    if (ticket.kind === "batch") {
      return batchedQueries(rowsRoots(plan).map(([, each]) => each), chunks, all);
    }
    return placedErrors(recordBatches(root.fields, chunks, all), root);
  }

  async function* doAction(call: FlightCall): AsyncGenerator<Message> {
    const { type, body } = decodeMessage(ACTION, await oneRequest(call));
    const action = ACTIONS.find((row) => row.type === type);
    if (!action) {
      const types = ACTIONS.map((row) => row.type);
      const shown = JSON.stringify(type.slice(0, 60));
      throw new AppError(
        "UNSUPPORTED",
        `no action ${shown}${suggestion(type.slice(0, 60), types)}`,
        {
          hint: `actions are ${types.join(", ")}`,
        },
      );
    }
    call.operation = type;
    switch (action.type) {
      case "HealthCheck":
        await engine.ping(call.signal);
        yield result(encoder.encode(`{"status":"ok"}`));
        return;
      case "RefreshSchema":
        await options.refresh();
        yield result(encoder.encode(`{"status":"ok"}`));
        return;
      case "CancelFlightInfo":
        yield result(encodeMessage(CANCEL_FLIGHT_INFO_RESULT, { status: cancelFlightInfo(body) }));
        return;
      default:
        return action satisfies never;
    }
  }

  function cancelFlightInfo(body: Uint8Array): number {
    const { info } = decodeMessage(CANCEL_FLIGHT_INFO_REQUEST, body);
    if (!info) {
      throw new AppError("BAD_INPUT", "the action CancelFlightInfo has no FlightInfo in its body", {
        hint: "the body is a CancelFlightInfoRequest with the FlightInfo from GetFlightInfo",
      });
    }
    let cancelled = 0;
    for (const { ticket } of info.endpoint) {
      const asked = decodeTicket(ticket?.ticket ?? new Uint8Array(), limits);
      const set = asked.kind === "events" ? options.eventStreams : streams;
      cancelled += set.cancel(encodeTicket(asked, limits));
      if (asked.kind === "query" && asked.partition !== null) {
        cancelled += snapshots.release(asked.partition.snapshot) ? 1 : 0;
      }
    }
    return cancelled > 0 ? CANCEL_STATUS.cancelled : CANCEL_STATUS.notCancellable;
  }

  // deno-lint-ignore require-yield -- a method is a stream, and this one is empty or an error
  async function* readOnly(): AsyncGenerator<Message> {
    await Promise.resolve();
    throw new AppError(
      "UNSUPPORTED",
      "the server only reads: DoPut and DoExchange are not served",
      {
        hint: "read with DoGet; write to PostgreSQL itself",
      },
    );
  }

  async function* listActions(call: FlightCall): AsyncGenerator<Message> {
    await oneRequest(call);
    for (const row of ACTIONS) yield wholeMessage(encodeMessage(ACTION_TYPE, row));
  }

  async function planOf(ticket: PlannedTicket): Promise<Plan> {
    await engine.current();
    switch (ticket.kind) {
      case "query":
        return engine.plan({ ...ticket, hitsAsRows: true });
      case "view":
        return engine.planView(ticket);
      case "export":
        return engine.planExport(ticket);
      case "batch": {
        const plan = engine.planBatch(ticket.queries);
        refuseUnequal(plan.roots);
        return plan;
      }
      case "word":
        return engine.planWord(ticket.word);
      default:
        return ticket satisfies never; // a new kind must be planned here
    }
  }

  /** The ticket with the compression that the call asks for, so that DoGet needs no header. */
  function carryingCompression(ticket: Ticket, call: FlightCall): Ticket {
    const compression = compressionOf(call.header(compressionHeader), ticket);
    if (ticket.kind !== "word") return { ...ticket, compression };
    const list = engine.rootLists().find(({ name }) => name === ticket.word);
    if (compression === null || !list) return ticket;
    return queryTicket({ text: list.text, compression });
  }

  function readDescriptor({ type, cmd, path }: MessageOf<typeof FLIGHT_DESCRIPTOR>): Ticket {
    if (type === DESCRIPTOR_TYPE.cmd) return decodeTicket(cmd, limits);
    const [first, ...rest] = path;
    if (type !== DESCRIPTOR_TYPE.path || first === undefined || rest.length > 0) {
      throw new AppError(
        "BAD_TICKET",
        "the descriptor has neither a command nor a path of one part",
        {
          hint:
            `for example FlightDescriptor.for_path("users") or .for_command("{ users { id } }")`,
        },
      );
    }
    return decodeTicket(encoder.encode(first), limits);
  }

  /** One endpoint per root field; its ticket goes to DoGet as it is. */
  function flightInfo(ticket: PlannedTicket, plan: Plan): MessageOf<typeof FLIGHT_INFO> {
    const isOne = ticket.kind === "batch" || (ticket.kind === "query" && ticket.field !== null);
    const roots = isOne ? [oneRoot(ticket, plan)[1]] : rowsRoots(plan).map(([, root]) => root);
    const [first] = roots;
    const endpoints = roots.map((root) =>
      endpoint(roots.length === 1 ? ticket : ofField(ticket, root), null)
    );
    const isWhole = first && roots.length === 1;
    return infoOf(isWhole ? arrowSchemaMessage(fieldsOf(ticket, first)) : null, endpoints);
  }

  function infoOf(
    schema: Uint8Array | null,
    endpoints: MessageOf<typeof FLIGHT_ENDPOINT>[],
  ): MessageOf<typeof FLIGHT_INFO> {
    return {
      schema: schema ? encapsulated(schema) : new Uint8Array(),
      flightDescriptor: null,
      endpoint: endpoints,
      totalRecords: unknownTotal,
      totalBytes: unknownTotal,
      // Endpoints are different tables, not parts of one whose order could matter.
      ordered: false,
      appMetadata: new Uint8Array(),
    };
  }

  function endpoint(ticket: Ticket, expiresAt: number | null): MessageOf<typeof FLIGHT_ENDPOINT> {
    const expirationTime = expiresAt === null ? null : {
      seconds: Math.floor(expiresAt / 1000),
      nanos: expiresAt % 1000 * 1_000_000,
    };
    return {
      ticket: { ticket: encodeTicket(ticket, limits) },
      location: [],
      expirationTime,
      appMetadata: new Uint8Array(),
    };
  }

  function schemaOf(ticket: PlannedTicket, root: RowsRoot): Uint8Array {
    return encapsulated(arrowSchemaMessage(fieldsOf(ticket, root)));
  }

  return {
    Handshake: handshake,
    ListFlights: listFlights,
    GetFlightInfo: getFlightInfo,
    PollFlightInfo: pollFlightInfo,
    GetSchema: getSchema,
    DoGet: doGet,
    DoPut: readOnly,
    DoExchange: readOnly,
    DoAction: doAction,
    ListActions: listActions,
  } satisfies Record<string, ServiceMethod>;
}

const ACTIONS = [
  { type: "HealthCheck", description: "Answers when the server and its PostgreSQL do." },
  { type: "RefreshSchema", description: "Reads the database's catalog again." },
  { type: "CancelFlightInfo", description: "Ends the streams of a FlightInfo's tickets." },
] as const;

/** In the log: a ticket of events has no name of an operation. */
const eventsOperation = "ObserverEvents";

/** A follower whose NATS is gone looks again so soon. */
const followRetryMs = 500;

/** Flight's word for a number that is not known beforehand. */
const unknownTotal = -1;

const encoder = new TextEncoder();

/** The request of a method that takes one; throws `BAD_INPUT` for none or several. */
async function oneRequest(call: FlightCall): Promise<Uint8Array> {
  let request: Uint8Array | undefined;
  for await (const message of call.requests) {
    if (request) {
      throw new AppError("BAD_INPUT", "the method takes one request message, not several");
    }
    request = message;
  }
  if (request) return request;
  throw new AppError("BAD_INPUT", "the call ended without a whole request message");
}

function utf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("BAD_INPUT", `${what} is not UTF-8`, { cause });
  }
}

function result(body: Uint8Array): Message {
  return wholeMessage(encodeMessage(RESULT, { body }));
}
