/**
 * TLS by `node:tls`, because `Deno.Conn` does not give the peer's certificate that channel binding
 * needs, and cannot go without checking it as `sslmode=require` does.
 */

import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { AppError } from "../errors.ts";
import type { Stream } from "./stream.ts";
import { type ConnectTarget, type Server, serverName } from "./url.ts";

/** Turns a stream on which the server awaits a TLS handshake into an encrypted one. */
export async function upgradeToTls(plain: Stream, target: ConnectTarget): Promise<Stream> {
  const stream = new TlsStream(plain, await tlsOptions(target, plain.server));
  try {
    await stream.handshake();
    return stream;
  } catch (error) {
    stream.close();
    // A connection cut in the middle says nothing about TLS.
    if (error instanceof Error && "code" in error && error.code === "ECONNRESET") throw error;
    throw tlsError(error, plain.server, target);
  }
}

class TlsStream implements Stream {
  readonly encrypted = true;
  readonly server: Server;
  peerCertificate: Uint8Array | null = null;
  readonly #plain: Stream;
  readonly #encrypted: Duplex;
  readonly #socket: TLSSocket;
  /** Decrypted and not yet asked for: no more than one read of the plain stream held. */
  readonly #waiting: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(readBytes);
  /** Somebody waits for decrypted bytes. Otherwise nothing is read: a paused `TLSSocket` goes on. */
  #wanted = true;
  /** The TLS engine would take encrypted bytes. */
  #hungry = false;
  #end: { readonly error: unknown } | null = null;
  #wake: () => void = () => {};

  constructor(plain: Stream, options: ConnectionOptions) {
    this.#plain = plain;
    this.server = plain.server;
    this.#encrypted = new Duplex({
      read: () => {
        this.#hungry = true;
        this.#feed();
      },
      write: (bytes: Uint8Array, _encoding, done) => {
        plain.write(bytes).then(() => done(), done);
      },
    });
    // The types ask for a socket; the engine uses what every stream has.
    this.#socket = connect({ ...options, socket: this.#encrypted as unknown as Socket });
    this.#socket.on("data", (bytes: Buffer) => {
      this.#waiting.push(bytes);
      this.#wanted = false;
      this.#wake();
    });
    this.#socket.on("error", (error: Error) => this.#finish(error));
    this.#socket.on("end", () => this.#finish(null));
    this.#socket.on("close", () => this.#finish(null));
    this.#encrypted.on("error", (error: Error) => this.#finish(error));
  }

  async handshake(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once("secureConnect", resolve);
      this.#wake = () => {
        if (this.#end) reject(this.#end.error ?? new Error("the server closed the connection"));
      };
      this.#wake();
    });
    this.#wake = () => {};
    const { raw } = this.#socket.getPeerCertificate(false);
    this.peerCertificate = raw ? new Uint8Array(raw) : null;
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#waiting.length === 0) {
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return null;
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      this.#wanted = true;
      this.#feed();
      await woken;
    }
    let filled = 0;
    while (filled < into.length) {
      const bytes = this.#waiting[0];
      if (!bytes) break;
      const taken = Math.min(bytes.length, into.length - filled);
      into.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), filled);
      filled += taken;
      if (taken === bytes.length) this.#waiting.shift();
      else this.#waiting[0] = bytes.subarray(taken);
    }
    return filled;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end.error ?? new Error("the connection is closed"));
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  close(): void {
    this.#finish(null);
    this.#plain.close();
    this.#socket.destroy();
    this.#encrypted.destroy();
  }

  /** One read of the plain stream, when both sides ask for it. */
  #feed(): void {
    if (!this.#hungry || !this.#wanted || this.#end) return;
    this.#hungry = false;
    this.#plain.read(this.#buffer).then((count) => {
      // The engine keeps what it is given, so it gets a copy.
      this.#encrypted.push(count === null ? null : Buffer.from(this.#buffer.slice(0, count)));
    }, (error: unknown) => this.#finish(error));
  }

  #finish(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }
}

/** TLS sends at most 16 KiB in one record; several go in one read. */
const readBytes = 64 * 1024;

async function tlsOptions(target: ConnectTarget, server: Server): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey } = target;
  const ownAuthority = sslRootCert !== null && sslRootCert !== "system";
  const [ca, cert, key] = await Promise.all([
    ownAuthority ? readPem(sslRootCert, "sslrootcert", "CERTIFICATE") : undefined,
    sslCert ? readPem(sslCert, "sslcert", "CERTIFICATE") : undefined,
    sslKey ? readPem(sslKey, "sslkey", "PRIVATE KEY") : undefined,
  ]);
  return {
    host: server.host,
    ...(isIP(server.host) === 0 && { servername: server.host }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    // As libpq: `require` with a root certificate checks as `verify-ca` does.
    rejectUnauthorized: sslMode.startsWith("verify") || (sslMode === "require" && ownAuthority),
    ...(sslMode !== "verify-full" && { checkServerIdentity: () => undefined }),
    minVersion: "TLSv1.2",
  };
}

async function readPem(path: string, parameter: string, holds: string): Promise<string> {
  const text = await readText(path, parameter);
  if (new RegExp(`^-----BEGIN [A-Z ]*${holds}-----`, "m").test(text)) return text;
  const wanted = holds.toLowerCase();
  throw new AppError("BAD_INPUT", `the file of ${parameter} holds no ${wanted}: ${path}`, {
    hint: `it must be PEM, with a line -----BEGIN ${holds}-----`,
  });
}

async function readText(path: string, parameter: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AppError("BAD_INPUT", `the file of ${parameter} cannot be read: ${path}`, {
      hint: "the path is relative to the working folder; the program needs the right to read it",
      cause,
    });
  }
}

/** The two sides did not come to terms about TLS: with sslmode=prefer it goes on without. */
export class TlsFailed extends AppError {}

function tlsError(error: unknown, server: Server, target: ConnectTarget): AppError {
  if (error instanceof AppError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const verifies = target.sslMode.startsWith("verify") || target.sslRootCert !== null;
  return new TlsFailed(
    "BAD_INPUT",
    `TLS with PostgreSQL at ${serverName(server)} failed: ${reason}`,
    {
      hint: verifies
        ? "check that sslrootcert holds the authority of the server's certificate, and that the host in DATABASE_URL is a name in it"
        : "check the server's TLS settings; a server that asks for client certificates needs sslcert and sslkey",
      cause: error,
    },
  );
}
