/**
 * The messages of Flight.proto in protobuf's wire format.
 * https://github.com/apache/arrow/blob/main/format/Flight.proto
 * https://protobuf.dev/programming-guides/encoding/
 *
 * Messages are tables of fields; reading is strict, since what comes here comes from anyone.
 */

import { AppError } from "../lib/errors.ts";
import type { Message } from "./line.ts";

/** What a field holds: a scalar, or the table of a message. */
export type FieldKind = "bytes" | "string" | "int" | "bool" | "double" | MessageTable;
export type FieldRow = readonly [number: number, kind: FieldKind, repeated?: "repeated"];
export interface MessageTable {
  readonly [name: string]: FieldRow;
}

// deno-fmt-ignore: a table reads best as one
export const TIMESTAMP = { seconds: [1, "int"], nanos: [2, "int"] } as const;
// deno-fmt-ignore: a table reads best as one
export const HANDSHAKE = { protocolVersion: [1, "int"], payload: [2, "bytes"] } as const;
export const CRITERIA = { expression: [1, "bytes"] } as const;
export const ACTION_TYPE = { type: [1, "string"], description: [2, "string"] } as const;
export const ACTION = { type: [1, "string"], body: [2, "bytes"] } as const;
export const RESULT = { body: [1, "bytes"] } as const;
export const SCHEMA_RESULT = { schema: [1, "bytes"] } as const;
export const TICKET = { ticket: [1, "bytes"] } as const;
export const LOCATION = { uri: [1, "string"] } as const;
export const FLIGHT_DESCRIPTOR = {
  type: [1, "int"],
  cmd: [2, "bytes"],
  path: [3, "string", "repeated"],
} as const;
export const FLIGHT_ENDPOINT = {
  ticket: [1, TICKET],
  location: [2, LOCATION, "repeated"],
  expirationTime: [3, TIMESTAMP],
  appMetadata: [4, "bytes"],
} as const;
export const FLIGHT_INFO = {
  schema: [1, "bytes"],
  flightDescriptor: [2, FLIGHT_DESCRIPTOR],
  endpoint: [3, FLIGHT_ENDPOINT, "repeated"],
  totalRecords: [4, "int"],
  totalBytes: [5, "int"],
  ordered: [6, "bool"],
  appMetadata: [7, "bytes"],
} as const;
export const POLL_INFO = {
  info: [1, FLIGHT_INFO],
  flightDescriptor: [2, FLIGHT_DESCRIPTOR],
  progress: [3, "double"],
  expirationTime: [4, TIMESTAMP],
} as const;
export const CANCEL_FLIGHT_INFO_REQUEST = { info: [1, FLIGHT_INFO] } as const;
export const CANCEL_FLIGHT_INFO_RESULT = { status: [1, "int"] } as const;

/** `FlightDescriptor.DescriptorType`. */
export const DESCRIPTOR_TYPE = { unknown: 0, path: 1, cmd: 2 } as const;
/** `CancelStatus`. */
export const CANCEL_STATUS = { unspecified: 0, cancelled: 1, cancelling: 2, notCancellable: 3 };

type ValueOf<Kind> = Kind extends "bytes" ? Uint8Array
  : Kind extends "string" ? string
  : Kind extends "int" | "double" ? number
  : Kind extends "bool" ? boolean
  : Kind extends MessageTable ? MessageOf<Kind>
  : never;

/** A message as its table describes it; an absent message is null, other absent fields are empty. */
export type MessageOf<Table extends MessageTable> = {
  -readonly [Name in keyof Table]: Table[Name] extends readonly [number, infer Kind, "repeated"]
    ? ValueOf<Kind>[]
    : Table[Name][1] extends MessageTable ? ValueOf<Table[Name][1]> | null
    : ValueOf<Table[Name][1]>;
};

type FieldValue = Uint8Array | string | number | boolean | object | null;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Reads a message. Throws `BAD_INPUT` for bytes that are not one; fields it does not know are skipped. */
export function decodeMessage<Table extends MessageTable>(
  table: Table,
  bytes: Uint8Array,
): MessageOf<Table> {
  const message: Record<string, FieldValue> = {};
  const byNumber = new Map<number, [name: string, row: FieldRow]>();
  for (const [name, row] of Object.entries(table)) {
    message[name] = row[2] ? [] : emptyValue(row[1]);
    byNumber.set(row[0], [name, row]);
  }
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.tag();
    const known = byNumber.get(tag.field);
    if (!known) {
      reader.skip(tag.wire);
      continue;
    }
    const [name, [, kind, repeated]] = known;
    if (tag.wire !== wireOf(kind)) throw bad(`field ${tag.field} has wire type ${tag.wire}`);
    const value = readValue(reader, kind);
    if (repeated) (message[name] as FieldValue[]).push(value);
    else message[name] = value;
  }
  return message as MessageOf<Table>;
}

/** The bytes of a message, fields in the order of its table; empty fields are left out. */
export function encodeMessage<Table extends MessageTable>(
  table: Table,
  message: DeepPartial<MessageOf<Table>>,
): Uint8Array {
  const writer = new Writer();
  for (const [name, [field, kind, repeated]] of Object.entries(table)) {
    const value = (message as Record<string, FieldValue | undefined>)[name];
    if (value === undefined || value === null) continue;
    for (const item of repeated ? value as FieldValue[] : [value]) {
      if (!repeated && isEmpty(item)) continue;
      writeValue(writer, field, kind, item);
    }
  }
  return writer.bytes();
}

/** Any field may be left out, at every depth. */
export type DeepPartial<T> = T extends Uint8Array | string | number | boolean | null ? T
  : T extends (infer Item)[] ? DeepPartial<Item>[]
  : { [Name in keyof T]?: DeepPartial<T[Name]> | undefined };

function emptyValue(kind: FieldKind): FieldValue {
  switch (kind) {
    case "bytes":
      return new Uint8Array();
    case "string":
      return "";
    case "int":
    case "double":
      return 0;
    case "bool":
      return false;
    default:
      return null;
  }
}

function isEmpty(value: FieldValue): boolean {
  return value === 0 || value === "" || value === false ||
    (value instanceof Uint8Array && value.length === 0);
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function wireOf(kind: FieldKind): number {
  if (kind === "int" || kind === "bool") return WIRE.varint;
  return kind === "double" ? WIRE.fixed64 : WIRE.bytes;
}

function readValue(reader: Reader, kind: FieldKind): FieldValue {
  switch (kind) {
    case "bytes":
      return reader.bytes();
    case "string":
      return reader.text();
    case "int":
      return Number(BigInt.asIntN(64, reader.varint()));
    case "bool":
      return reader.varint() !== 0n;
    case "double":
      return reader.double();
    default:
      return decodeMessage(kind, reader.bytes());
  }
}

function writeValue(writer: Writer, field: number, kind: FieldKind, value: FieldValue): void {
  writer.varint(BigInt(field * 8 + wireOf(kind)));
  switch (kind) {
    case "bytes":
      return writer.lengthAnd(value as Uint8Array);
    case "string":
      return writer.lengthAnd(encoder.encode(value as string));
    case "int":
    case "bool":
      return writer.varint(BigInt.asUintN(64, BigInt(value as number | boolean)));
    case "double":
      return writer.double(value as number);
    default:
      return writer.lengthAnd(encodeMessage(kind, value as DeepPartial<MessageOf<MessageTable>>));
  }
}

function bad(what: string): AppError {
  return new AppError("BAD_INPUT", `the request is no protobuf message: ${what}`, {
    hint: "the message definitions are in Apache Arrow's Flight.proto",
  });
}

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly buffer: Uint8Array) {
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  get atEnd(): boolean {
    return this.at === this.buffer.length;
  }

  tag(): { field: number; wire: number } {
    const tag = this.varint();
    const field = Number(tag >> 3n);
    if (field < 1 || field > 536_870_911) throw bad(`field number ${field}`);
    return { field, wire: Number(tag & 7n) };
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.at++];
      if (byte === undefined) throw bad("it ends inside a number");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw bad("a number has more than 10 bytes");
  }

  /** A view into the message, not a copy. */
  bytes(): Uint8Array {
    const length = this.varint();
    return this.take(length > BigInt(this.buffer.length) ? Infinity : Number(length));
  }

  text(): string {
    try {
      return utf8.decode(this.bytes());
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw bad("a text is not UTF-8");
    }
  }

  double(): number {
    this.take(8);
    return this.view.getFloat64(this.at - 8, true);
  }

  skip(wire: number): void {
    switch (wire) {
      case WIRE.varint:
        this.varint();
        return;
      case WIRE.fixed64:
        this.take(8);
        return;
      case WIRE.bytes:
        this.bytes();
        return;
      case WIRE.fixed32:
        this.take(4);
        return;
      default:
        throw bad(`wire type ${wire}`);
    }
  }

  private take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.buffer.length) throw bad("it ends inside a field");
    const taken = this.buffer.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

class Writer {
  private readonly pieces: Uint8Array[] = [];
  private length = 0;

  varint(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value;; rest >>= 7n) {
      if (rest < 128n) {
        bytes.push(Number(rest));
        break;
      }
      bytes.push(Number(rest & 127n) | 128);
    }
    this.push(Uint8Array.from(bytes));
  }

  lengthAnd(bytes: Uint8Array): void {
    this.varint(BigInt(bytes.length));
    this.push(bytes);
  }

  double(value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.push(bytes);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  private push(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.length += piece.length;
  }
}

/** A message made beforehand, as the line takes it. */
export function wholeMessage(bytes: Uint8Array): Message {
  return { byteLength: bytes.length, writeTo: (target, at) => target.set(bytes, at) };
}

const dataHeaderTag = 0x12; // field 2, bytes
const appMetadataTag = 0x1a; // field 3, bytes
const dataBodyTag = [0xc2, 0x3e] as const; // field 1000, bytes

/**
 * `FlightData`, the hot path: the pieces of the body go straight into the outgoing buffer, where
 * they are read when `writeTo` is called, not before.
 */
export function flightData(
  header: Uint8Array,
  body: readonly Uint8Array[],
  bodyBytes: number,
  appMetadata: Uint8Array = noBytes,
): Message {
  let byteLength = 1 + varintBytes(header.length) + header.length;
  const metadataBytes = appMetadata.length;
  if (metadataBytes > 0) byteLength += 1 + varintBytes(metadataBytes) + metadataBytes;
  if (bodyBytes > 0) byteLength += 2 + varintBytes(bodyBytes) + bodyBytes;
  return {
    byteLength,
    writeTo(target, start) {
      let at = start;
      target[at++] = dataHeaderTag;
      at = putVarint(target, at, header.length);
      target.set(header, at);
      at += header.length;
      if (metadataBytes > 0) {
        target[at++] = appMetadataTag;
        at = putVarint(target, at, metadataBytes);
        target.set(appMetadata, at);
        at += metadataBytes;
      }
      if (bodyBytes === 0) return;
      target[at++] = dataBodyTag[0];
      target[at++] = dataBodyTag[1];
      at = putVarint(target, at, bodyBytes);
      for (const piece of body) {
        target.set(piece, at);
        at += piece.length;
      }
    },
  };
}

const noBytes = new Uint8Array(0);

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function putVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    target[at++] = (rest & 127) | 128;
    rest = Math.floor(rest / 128);
  }
  target[at++] = rest;
  return at;
}
