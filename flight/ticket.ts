/**
 * What a ticket, a descriptor's command and a descriptor's path say: which data is asked for.
 * docs/tickets.md is the reader's side of this file.
 */

import { z } from "zod";
import { type Compression, COMPRESSIONS } from "../lib/arrow/record_batches.ts";
import { suggestion } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";
import type { PageRange } from "../lib/query/query_engine.ts";
import { eventsAsked } from "./events_asked.ts";

export type Ticket = PlannedTicket | EventsTicket;

/** Those that PostgreSQL answers. */
export type PlannedTicket = QueryTicket | ViewTicket | WordTicket | ExportTicket | BatchTicket;

/** A GraphQL query, as bare text or as JSON of the type `GraphQLQuery`. */
export interface QueryTicket {
  readonly kind: "query";
  readonly text: string;
  readonly variables: Readonly<Record<string, unknown>> | null;
  readonly operationName: string | null;
  /** Which root field, by its response name; null where there is but one. */
  readonly field: string | null;
  /** Into how many endpoints GetFlightInfo is to split it. */
  readonly partitions: number | null;
  /** One of those parts; only GetFlightInfo writes it. */
  readonly partition: PartitionOf | null;
  readonly compression: Compression | null;
}

/** Pages of the query's table in a snapshot that the server holds. */
export interface PartitionOf extends PageRange {
  /** `NamedSnapshot.id`. */
  readonly snapshot: string;
}

/** A view by PostgreSQL's own names (`OptimizedView`). */
export interface ViewTicket {
  readonly kind: "view";
  readonly view: string;
  readonly filter: Readonly<Record<string, unknown>> | null;
  readonly orderBy: string | null;
  readonly limit: number | null;
  readonly offset: number | null;
  readonly compression: Compression | null;
}

/** A whole table or view by PostgreSQL's own names (`BulkExport`). */
export interface ExportTicket {
  readonly kind: "export";
  readonly table: string;
  readonly filter: Readonly<Record<string, unknown>> | null;
  readonly limit: number | null;
  readonly format: ExportFormat;
  readonly compression: Compression | null;
}

/** Record batches, or the bytes of a file. */
export type ExportFormat = "arrow" | "csv" | "json";

/** Several queries of equal schemas as one stream (`BatchedQueries`). */
export interface BatchTicket {
  readonly kind: "batch";
  readonly queries: readonly string[];
  readonly compression: Compression | null;
}

/** Events, stored and coming (`ObserverEvents`). */
export interface EventsTicket {
  readonly kind: "events";
  /** Null: of all types. */
  readonly entityType: string | null;
  /** Inclusive, as the ticket has it: a date, or RFC 3339. */
  readonly startDate: string | null;
  /** Exclusive. */
  readonly endDate: string | null;
  readonly limit: number | null;
  /** Goes on with events as they come. */
  readonly follow: boolean;
  /** The position behind which it begins, in decimal digits. */
  readonly after: string | null;
  readonly compression: Compression | null;
}

/** One plain word: that root field with every plain column. */
export interface WordTicket {
  readonly kind: "word";
  readonly word: string;
}

type TicketLimits = Pick<Limits, "ticketBytesMax" | "ticketLevelsMax" | "partitionsMax">;

/** Reads a ticket; throws `BAD_TICKET`, `TOO_LARGE` or `UNSUPPORTED`. */
export function decodeTicket(bytes: Uint8Array, limits: TicketLimits): Ticket {
  if (bytes.length > limits.ticketBytesMax) throw tooLarge(bytes.length, limits);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw badTicket("the ticket is not UTF-8", { cause });
  }
  return readTicket(text, limits);
}

/** The ticket in its shortest form; throws `TOO_LARGE` where that is longer than a ticket may be. */
export function encodeTicket(ticket: Ticket, limits: TicketLimits): Uint8Array {
  const bytes = encoder.encode(writeTicket(ticket));
  if (bytes.length > limits.ticketBytesMax) throw tooLarge(bytes.length, limits);
  return bytes;
}

/** A query's ticket with nothing beside what is given. */
export function queryTicket(given: Partial<QueryTicket> & { readonly text: string }): QueryTicket {
  return {
    kind: "query",
    variables: null,
    operationName: null,
    field: null,
    partitions: null,
    partition: null,
    compression: null,
    ...given,
  };
}

function readTicket(text: string, limits: TicketLimits): Ticket {
  if (text.trim() === "") throw badTicket("the ticket is empty");
  if (plainWord.test(text.trim())) return { kind: "word", word: text.trim() };
  if (!jsonObject.test(text)) {
    return queryTicket({ text });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badTicket(`the ticket is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (levels(json, limits.ticketLevelsMax) > limits.ticketLevelsMax) {
    throw badTicket(`the ticket's JSON is nested deeper than ${limits.ticketLevelsMax} levels`);
  }
  return readJson(json as Record<string, unknown>, limits);
}

function readJson(json: Record<string, unknown>, limits: TicketLimits): Ticket {
  const { type } = json;
  if (typeof type !== "string") {
    throw badTicket(`the ticket's JSON has no "type"`);
  }
  switch (type as TicketType) {
    case "GraphQLQuery": {
      const ticket = check(GraphQLQuery, json);
      if (ticket.partitions && ticket.partition) {
        throw badTicket("a partition has no partitions", {
          hint: "take the tickets of GetFlightInfo as they are",
        });
      }
      refuseTooMany(ticket.partitions ?? 0, limits);
      return {
        kind: "query",
        text: ticket.query,
        variables: ticket.variables ?? null,
        operationName: ticket.operationName ?? null,
        field: ticket.field ?? null,
        partitions: ticket.partitions ?? null,
        partition: ticket.partition ?? null,
        compression: ticket.compression ?? null,
      };
    }
    case "OptimizedView": {
      const ticket = check(OptimizedView, json);
      return {
        kind: "view",
        view: ticket.view,
        filter: ticket.filter ?? null,
        orderBy: ticket.order_by ?? null,
        limit: ticket.limit ?? null,
        offset: ticket.offset ?? null,
        compression: ticket.compression ?? null,
      };
    }
    case "BulkExport": {
      const ticket = check(BulkExport, json);
      return {
        kind: "export",
        table: ticket.table,
        filter: ticket.filter ?? null,
        limit: ticket.limit ?? null,
        format: servedFormat(ticket.format ?? "arrow"),
        compression: ticket.compression ?? null,
      };
    }
    case "BatchedQueries": {
      const { queries, compression } = check(BatchedQueries, json);
      return { kind: "batch", queries, compression: compression ?? null };
    }
    case "ObserverEvents": {
      const ticket = check(ObserverEvents, json);
      const events: EventsTicket = {
        kind: "events",
        entityType: ticket.entity_type ?? null,
        startDate: ticket.start_date ?? null,
        endDate: ticket.end_date ?? null,
        limit: ticket.limit ?? null,
        follow: ticket.follow ?? false,
        after: ticket.after ?? null,
        compression: ticket.compression ?? null,
      };
      eventsAsked(events); // refuses moments and positions that are none
      return events;
    }
    default:
      throw badTicket(
        `no ticket type ${quoted(type)}${suggestion(short(type), TICKET_TYPES)}`,
      );
  }
}

/** In every call alike, so that none takes what another refuses. */
function refuseTooMany(parts: number, { partitionsMax }: TicketLimits): void {
  if (parts <= partitionsMax) return;
  throw new AppError("TOO_LARGE", `partitions is ${parts}, at most ${partitionsMax}`, {
    hint: "each is a stream and a connection to PostgreSQL; 2 to 8 are plenty for most readers",
  });
}

const TICKET_TYPES = [
  "GraphQLQuery",
  "OptimizedView",
  "ObserverEvents",
  "BulkExport",
  "BatchedQueries",
] as const;
type TicketType = typeof TICKET_TYPES[number];

const jsonMap = z.record(z.string(), z.unknown()).nullish();
const count = z.int().nonnegative().nullish();
const compression = z.enum(COMPRESSIONS).nullish();

/** PostgreSQL counts the pages of a table by 32 bits. */
const page = z.int().nonnegative().max(0xffffffff);

const GraphQLQuery = z.strictObject({
  type: z.literal("GraphQLQuery"),
  query: z.string(),
  variables: jsonMap,
  operationName: z.string().nullish(),
  field: z.string().nullish(),
  partitions: z.int().positive().nullish(),
  partition: z.strictObject({ snapshot: z.uuid(), from: page, to: page.nullable() }).nullish(),
  compression,
});

const OptimizedView = z.strictObject({
  type: z.literal("OptimizedView"),
  view: z.string().min(1),
  filter: jsonMap,
  order_by: z.string().nullish(),
  limit: count,
  offset: count,
  compression,
});

const BulkExport = z.strictObject({
  type: z.literal("BulkExport"),
  table: z.string().min(1),
  filter: jsonMap,
  limit: count,
  format: z.enum(["arrow", "csv", "json", "parquet"]).nullish(),
  compression,
});

/** PostgreSQL cuts names at 63 bytes; what capture names has little more. */
const entityTypeCharsMax = 255;

const ObserverEvents = z.strictObject({
  type: z.literal("ObserverEvents"),
  entity_type: z.string().min(1).max(entityTypeCharsMax).nullish(),
  start_date: z.string().nullish(),
  end_date: z.string().nullish(),
  limit: count,
  follow: z.boolean().nullish(),
  after: z.string().nullish(),
  compression,
});

const BatchedQueries = z.strictObject({
  type: z.literal("BatchedQueries"),
  queries: z.array(z.string()).nonempty(),
  compression,
});

function servedFormat(format: ExportFormat | "parquet"): ExportFormat {
  if (format !== "parquet") return format;
  throw new AppError("UNSUPPORTED", "BulkExport does not write parquet", {
    hint: `take the format "arrow" and write the table there, as pyarrow.parquet.write_table does`,
  });
}

/** Lists the ticket's faults together. */
function check<Shape extends z.ZodObject>(
  shape: Shape,
  json: Record<string, unknown>,
): z.infer<Shape> {
  const result = shape.safeParse(json);
  if (result.success) return result.data;
  const keys = Object.keys(shape.shape);
  const faults = result.error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, faultsShownMax).map((key) =>
        `unknown key ${quoted(key)}${suggestion(short(key), keys)}`
      );
    }
    return [`${issue.path.join(".")}: ${issue.message}`];
  });
  throw badTicket(`${json.type} ticket: ${faults.slice(0, faultsShownMax).join("; ")}`, {
    hint: `a ${json.type} ticket has the keys ${keys.join(", ")}`,
  });
}

/** More faults than a person mends at a time only fill the message. */
const faultsShownMax = 5;

function writeTicket(ticket: Ticket): string {
  switch (ticket.kind) {
    case "word":
      return ticket.word;
    case "query": {
      const { kind: _, text: query, ...more } = ticket;
      if (Object.values(more).every((value) => value === null)) return query;
      return JSON.stringify(withoutNulls({ type: "GraphQLQuery", query, ...more }));
    }
    case "view": {
      const { kind: _, view, orderBy, ...more } = ticket;
      return JSON.stringify(
        withoutNulls({ type: "OptimizedView", view, order_by: orderBy, ...more }),
      );
    }
    case "export": {
      const { kind: _, ...more } = ticket;
      return JSON.stringify(withoutNulls({ type: "BulkExport", ...more }));
    }
    case "events": {
      const { kind: _, entityType, startDate, endDate, follow, ...more } = ticket;
      return JSON.stringify(withoutNulls({
        type: "ObserverEvents",
        entity_type: entityType,
        start_date: startDate,
        end_date: endDate,
        follow: follow || null,
        ...more,
      }));
    }
    case "batch": {
      const { queries, compression } = ticket;
      return JSON.stringify(withoutNulls({ type: "BatchedQueries", queries, compression }));
    }
    default:
      return ticket satisfies never;
  }
}

function withoutNulls(ticket: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(ticket).filter(([, value]) => value !== null));
}

/** How deep objects and lists are nested; stops counting one above the limit. Without recursion. */
function levels(json: unknown, levelsMax: number): number {
  const isNested = (value: unknown) => typeof value === "object" && value !== null;
  let level: unknown[] = [json];
  for (let depth = 0;; depth++) {
    if (level.length === 0 || depth > levelsMax) return depth;
    level = level.flatMap((value) => Object.values(value as object).filter(isNested));
  }
}

/** No GraphQL document is one bare word, so nothing else can be meant. */
const plainWord = /^[_A-Za-z][_0-9A-Za-z]*$/;

/** In GraphQL no string follows the opening brace, in JSON nothing else can. */
const jsonObject = /^\s*\{\s*["}]/;

const utf8 = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Names from outside can have any length; what is shown and compared has not. */
const short = (word: string) => word.slice(0, 60);
const quoted = (word: string) => JSON.stringify(short(word));

function tooLarge(bytes: number, limits: TicketLimits): AppError {
  return new AppError(
    "TOO_LARGE",
    `the ticket has ${bytes} bytes, at most ${limits.ticketBytesMax} are taken`,
    { hint: "a ticket names data, it does not carry it" },
  );
}

function badTicket(message: string, options: { hint?: string; cause?: unknown } = {}): AppError {
  return new AppError("BAD_TICKET", message, {
    hint: `a ticket is GraphQL text, a root field's name, or JSON with a "type": ` +
      `${TICKET_TYPES.slice(0, -1).join(", ")} or ${TICKET_TYPES.at(-1)}`,
    ...options,
  });
}
