/** A byte stream to one server: plain by `Deno.connect`, and TLS on top of it where asked for. */

import { AppError } from "../errors.ts";
import { ConnectionLost, protocolError } from "./errors.ts";
import { onAbort } from "./on_abort.ts";
import { upgradeToTls } from "./tls_stream.ts";
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

/** Opens a stream and, where asked for, turns it into TLS. Aborting the signal closes it. */
export async function openStream(
  server: Server,
  target: ConnectTarget,
  tls: TlsUse,
  signal: AbortSignal,
): Promise<Stream> {
  const plain = await openPlain(server, signal);
  // A unix socket never leaves the machine, and PostgreSQL offers no TLS on it.
  if (tls === "never" || isSocket(server)) return plain;
  const forget = onAbort(signal, () => plain.close());
  try {
    if (await offersTls(plain)) return await upgradeToTls(plain, target);
    if (tls === "if-offered") return plain;
    throw new AppError("BAD_INPUT", `PostgreSQL at ${serverName(server)} does not offer TLS`, {
      hint: "set ssl=on there, or sslmode=prefer in DATABASE_URL if the network is trusted",
    });
  } catch (error) {
    plain.close();
    throw error;
  } finally {
    forget();
  }
}

/** `Deno.connect` reads straight into our buffer, for a third less CPU than `node:net`. */
async function openPlain(server: Server, signal: AbortSignal): Promise<PlainStream> {
  if (isSocket(server)) {
    const path = socketPath(server);
    const opening = Deno.connect({ transport: "unix", path });
    return new PlainStream(await untilAborted(opening, signal), server);
  }
  const opening = Deno.connect({ hostname: server.address ?? server.host, port: server.port });
  const conn = await untilAborted(opening, signal);
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

/** Waits for a connection no longer than the signal lets it; one that comes later is closed. */
async function untilAborted<Conn extends Deno.Conn>(
  opening: Promise<Conn>,
  signal: AbortSignal,
): Promise<Conn> {
  let forget = () => {};
  const aborted = new Promise<never>((_, reject) => {
    forget = onAbort(signal, () => reject(signal.reason));
  });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    if (signal.aborted) opening.then((late) => late.close(), () => {});
    throw error;
  } finally {
    forget();
  }
}

const sslRequest = new Uint8Array([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

async function offersTls(stream: Stream): Promise<boolean> {
  await stream.write(sslRequest);
  const answer = new Uint8Array(16);
  const count = await stream.read(answer);
  if (count === null) throw new ConnectionLost();
  const letter = String.fromCharCode(answer[0] ?? 0);
  // Bytes behind the letter came unencrypted: somebody wants them taken for what TLS protects.
  if (count === 1 && (letter === "S" || letter === "N")) return letter === "S";
  throw protocolError("the question for TLS was not answered by S or N");
}
