/**
 * The messages this side sends, and the letters of those it gets.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

import type { SqlStatement } from "../query/database.ts";

/** Letters of the server's messages. */
export const FROM_SERVER = {
  authentication: 0x52, // R
  backendKey: 0x4b, // K
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyIn: 0x47, // G
  copyOut: 0x48, // H
  dataRow: 0x44, // D
  emptyQuery: 0x49, // I
  error: 0x45, // E
  negotiateVersion: 0x76, // v
  noData: 0x6e, // n
  notice: 0x4e, // N
  notification: 0x41, // A
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  parseComplete: 0x31, // 1
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

/** What to ask of `Messages.bind`: PostgreSQL's text form or its binary one. */
export type ResultFormat = "text" | "binary";

/** A growing buffer of messages that go out in one write. */
export class Messages {
  #bytes = new Uint8Array(bytesAtFirst);
  #length = 0;
  #start = 0;

  /** Empty again, its buffer kept unless it is large. */
  clear(): this {
    if (this.#bytes.length > bytesKeptMax) this.#bytes = new Uint8Array(bytesAtFirst);
    this.#length = 0;
    return this;
  }

  /** The first message has no letter. */
  startup(parameters: Readonly<Record<string, string>>): this {
    this.#begin(null);
    this.#int32(protocolVersion);
    for (const [name, value] of Object.entries(parameters)) {
      this.#cString(name);
      this.#cString(value);
    }
    this.#byte(0);
    return this.#end();
  }

  cancelRequest(processId: number, key: Uint8Array): this {
    this.#begin(null);
    this.#int32(80877102);
    this.#int32(processId);
    this.#raw(key);
    return this.#end();
  }

  password(text: string): this {
    this.#begin("p");
    this.#cString(text);
    return this.#end();
  }

  saslFirst(mechanism: string, text: string): this {
    this.#begin("p");
    this.#cString(mechanism);
    this.#counted(text);
    return this.#end();
  }

  saslNext(text: string): this {
    this.#begin("p");
    this.#text(text);
    return this.#end();
  }

  query(text: string): this {
    this.#begin("Q");
    this.#cString(text);
    return this.#end();
  }

  parse(name: string, text: string): this {
    this.#begin("P");
    this.#cString(name);
    this.#cString(text);
    this.#int16(0);
    return this.#end();
  }

  /** Parameters go as text; the SQL names their types. */
  bind(name: string, parameters: SqlStatement["parameters"], format: ResultFormat): this {
    this.#begin("B");
    this.#byte(0);
    this.#cString(name);
    this.#int16(0);
    this.#int16(parameters.length);
    for (const parameter of parameters) {
      if (parameter === null) this.#int32(-1);
      else this.#counted(parameter);
    }
    this.#int16(1);
    this.#int16(format === "binary" ? 1 : 0);
    return this.#end();
  }

  /** Asks for the types of a statement's columns. */
  describeStatement(name: string): this {
    this.#begin("D");
    this.#byte(0x53);
    this.#cString(name);
    return this.#end();
  }

  execute(): this {
    this.#begin("E");
    this.#byte(0);
    this.#int32(0);
    return this.#end();
  }

  closeStatement(name: string): this {
    this.#begin("C");
    this.#byte(0x53);
    this.#cString(name);
    return this.#end();
  }

  copyFail(reason: string): this {
    this.#begin("f");
    this.#cString(reason);
    return this.#end();
  }

  sync(): this {
    this.#begin("S");
    return this.#end();
  }

  terminate(): this {
    this.#begin("X");
    return this.#end();
  }

  /** All messages; valid until the next one is added. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #begin(letter: string | null): void {
    if (letter) this.#byte(letter.charCodeAt(0));
    this.#start = this.#length;
    this.#int32(0);
  }

  #end(): this {
    this.#setInt32(this.#start, this.#length - this.#start);
    return this;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  #byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  #int16(value: number): void {
    this.#room(2);
    this.#bytes[this.#length++] = value >> 8;
    this.#bytes[this.#length++] = value;
  }

  #int32(value: number): void {
    this.#room(4);
    this.#setInt32(this.#length, value);
    this.#length += 4;
  }

  #setInt32(at: number, value: number): void {
    this.#bytes[at] = value >> 24;
    this.#bytes[at + 1] = value >> 16;
    this.#bytes[at + 2] = value >> 8;
    this.#bytes[at + 3] = value;
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #text(text: string): void {
    // UTF-8 takes at most three bytes for each UTF-16 unit.
    this.#room(text.length * 3);
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  #cString(text: string): void {
    this.#text(text);
    this.#byte(0);
  }

  #counted(text: string): void {
    const at = this.#length;
    this.#int32(0);
    this.#text(text);
    this.#setInt32(at, this.#length - at - 4);
  }
}

const encoder = new TextEncoder();

const bytesAtFirst = 1024;

/** What a connection keeps for its next read. */
const bytesKeptMax = 16 * 1024;

/** 3.0: 3.2 only lengthens the cancel key, and poolers of today refuse it. */
const protocolVersion = 3 << 16;
