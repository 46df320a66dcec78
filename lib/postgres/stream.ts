/**
 * A byte stream to one server: plain by `Deno.connect`, which reads straight into our buffer for a
 * third less CPU than `node:net`; TLS by `node:tls`, which gives the peer's certificate that
 * verify-full and channel binding need.
 */

import { Buffer } from "node:buffer";
import { connect as connectNet, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { readFile } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { protocolError } from "./errors.ts";
import { type ConnectTarget, isSocket, type Server, serverName, socketPath } from "./url.ts";

export interface Stream {
  /** Where it is connected to, by address: a cancel must reach the very same machine. */
  readonly server: Server;
  readonly encrypted: boolean;
  /** The server's certificate in DER, null without TLS. */
  readonly peerCertificate: Uint8Array | null;
  /** At least one byte into the buffer, null at the end. One call at a time. */
  read(into: Uint8Array): Promise<number | null>;
  /** Resolves when all is handed to the system. One call at a time. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends pending reads and writes too; may be called again. */
  close(): void;
}

/** What to do about TLS in one attempt. */
export type TlsUse = "never" | "if-offered" | "always";

/** Opens a stream and, where asked for, turns it into TLS. */
export async function openStream(
  server: Server,
  target: ConnectTarget,
  tls: TlsUse,
  signal: AbortSignal,
): Promise<Stream> {
  // A unix socket never leaves the machine, and PostgreSQL offers no TLS on it.
  if (tls === "never" || isSocket(server)) return await openPlain(server, signal);
  const key = serverName(server);
  if (tls === "if-offered" && withoutTls.has(key)) return await openPlain(server, signal);

  const socket = await openSocket(server, signal);
  try {
    const answer = await askForTls(socket, signal);
    if (answer === "S") return await upgrade(socket, server, target, signal);
    if (tls === "always") {
      throw new AppError("BAD_INPUT", `PostgreSQL at ${key} does not offer TLS`, {
        hint: "set ssl=on there, or sslmode=prefer in DATABASE_URL if the network is trusted",
      });
    }
  } catch (error) {
    socket.destroy();
    throw error;
  }
  // The faster reader takes over; remembered, so that only the first connection pays for asking.
  socket.destroy();
  withoutTls.add(key);
  return await openPlain(server, signal);
}

/** Servers that refused TLS when asked under sslmode=prefer. */
const withoutTls = new Set<string>();

async function openPlain(server: Server, signal: AbortSignal): Promise<Stream> {
  if (isSocket(server)) {
    const path = socketPath(server);
    const opening = Deno.connect({ transport: "unix", path });
    return new PlainStream(await untilAborted(opening, signal, (late) => late.close()), server);
  }
  const opening = Deno.connect({ hostname: server.address ?? server.host, port: server.port });
  const conn = await untilAborted(opening, signal, (late) => late.close());
  conn.setNoDelay(true);
  conn.setKeepAlive(true);
  return new PlainStream(conn, { ...server, address: conn.remoteAddr.hostname });
}

class PlainStream implements Stream {
  readonly encrypted = false;
  readonly peerCertificate = null;
  #closed = false;

  constructor(readonly conn: Deno.Conn, readonly server: Server) {}

  read(into: Uint8Array): Promise<number | null> {
    return this.conn.read(into);
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = await this.conn.write(bytes);
    while (written < bytes.length) written += await this.conn.write(bytes.subarray(written));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.conn.close();
  }
}

/** Waits for a promise no longer than the signal lets it; `discard` ends what comes too late. */
async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  discard: (late: T) => void,
): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } catch (error) {
    if (signal.aborted) promise.then(discard, () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function openSocket(server: Server, signal: AbortSignal): Promise<Socket> {
  const socket = connectNet({
    host: server.address ?? server.host,
    port: server.port,
    noDelay: true,
  });
  socket.setKeepAlive(true);
  return settle(socket, "connect", signal, () => socket);
}

/** Resolves at the event; rejects at an error, an early end or an abort, the socket destroyed. */
function settle<T>(
  socket: Socket | TLSSocket,
  event: string,
  signal: AbortSignal,
  value: () => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => {
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (error: unknown) => {
      // Errors after this one have nobody to tell.
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const onEvent = () => done(() => resolve(value()));
    const onError = (error: Error) => done(() => fail(error));
    const onClose = () => done(() => fail(new Error("the connection was closed")));
    const onAbort = () => done(() => fail(signal.reason));
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

const sslRequest = new Uint8Array([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** `S` or `N`; an ErrorResponse is a server too old to know the question. */
async function askForTls(socket: Socket, signal: AbortSignal): Promise<"S" | "N"> {
  socket.write(sslRequest);
  await settle(socket, "readable", signal, () => {});
  const answer: Uint8Array | null = socket.read();
  if (answer === null) throw new Error("the connection was closed");
  const letter = String.fromCharCode(answer[0] ?? 0);
  // Bytes behind the letter came unencrypted: somebody who wants them taken for TLS' contents.
  if (letter === "S" && answer.length === 1) return "S";
  if (letter === "N" || letter === "E") return "N";
  throw protocolError("the question for TLS was not answered by S or N");
}

async function upgrade(
  socket: Socket,
  server: Server,
  target: ConnectTarget,
  signal: AbortSignal,
): Promise<Stream> {
  const options = await tlsOptions(target, server);
  const secure = connectTls({ ...options, socket });
  try {
    await settle(secure, "secureConnect", signal, () => {});
  } catch (error) {
    socket.destroy();
    if (signal.aborted) throw error;
    throw tlsError(error, server, target);
  }
  const certificate = secure.getPeerCertificate(false).raw;
  const address = socket.remoteAddress;
  return new TlsStream(
    secure,
    { ...server, ...(address && { address }) },
    certificate ? new Uint8Array(certificate) : null,
  );
}

async function tlsOptions(target: ConnectTarget, server: Server): Promise<ConnectionOptions> {
  const { sslMode, sslRootCert, sslCert, sslKey } = target;
  const ownAuthority = sslRootCert !== null && sslRootCert !== "system";
  const [ca, cert, key] = await Promise.all([
    ownAuthority ? readPem(sslRootCert, "sslrootcert") : undefined,
    sslCert ? readPem(sslCert, "sslcert") : undefined,
    sslKey ? readPem(sslKey, "sslkey") : undefined,
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

async function readPem(path: string, parameter: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new AppError("BAD_INPUT", `the file of ${parameter} cannot be read: ${path}`, {
      hint: "the path is relative to the working folder; the program needs the right to read it",
      cause,
    });
  }
}

function tlsError(error: unknown, server: Server, target: ConnectTarget): AppError {
  const reason = error instanceof Error ? error.message : String(error);
  const verifies = target.sslMode.startsWith("verify") || target.sslRootCert !== null;
  return new AppError(
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

class TlsStream implements Stream {
  readonly encrypted = true;
  readonly #socket: TLSSocket;
  /** Arrived and not yet asked for; at most what the socket gave before it paused. */
  readonly #waiting: Uint8Array[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(
    socket: TLSSocket,
    readonly server: Server,
    readonly peerCertificate: Uint8Array | null,
  ) {
    this.#socket = socket;
    const wake = () => {
      this.#wake?.();
      this.#wake = null;
    };
    socket.on("data", (bytes: Buffer) => {
      this.#waiting.push(bytes);
      if (!this.#wake) socket.pause();
      wake();
    });
    socket.on("error", (error: Error) => {
      this.#error = error;
      wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        wake();
      });
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#waiting.length === 0) {
      if (this.#error) throw this.#error;
      if (this.#ended) return null;
      const woken = new Promise<void>((resolve) => this.#wake = resolve);
      this.#socket.resume();
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
      if (this.#error || this.#ended) return reject(this.#error ?? new Error("closed"));
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  close(): void {
    this.#ended = true;
    this.#wake?.();
    this.#wake = null;
    this.#socket.destroy();
  }
}
