/** From a target to a wire on which PostgreSQL waits for the first query. */

import { abortError, AppError } from "../errors.ts";
import { connectError } from "./connect_errors.ts";
import { decodeFields, PostgresError, protocolError } from "./errors.ts";
import { FROM_SERVER, Messages } from "./messages.ts";
import { onAbort } from "./on_abort.ts";
import { type ChannelBinding, endPointHash, md5Password, Scram } from "./scram.ts";
import { openStream, type Stream, type TlsUse } from "./stream.ts";
import { TlsFailed } from "./tls_stream.ts";
import { type ConnectTarget, isSocket, type Server } from "./url.ts";
import { Wire } from "./wire.ts";

/** What a server told while we logged in. */
export interface Session {
  readonly wire: Wire;
  readonly server: Server;
  readonly processId: number;
  /** As bytes: its length is the server's to choose. */
  readonly cancelKey: Uint8Array;
  /** `server_version`, `TimeZone`, ... as the server reports them; kept current. */
  readonly parameters: Map<string, string>;
}

export interface HandshakeOptions {
  readonly applicationName: string;
  readonly rowBytesMax: number;
  readonly signal: AbortSignal;
}

/** Connects to one server, by TLS as `sslmode` says, and logs in. */
export async function openSession(
  server: Server,
  target: ConnectTarget,
  options: HandshakeOptions,
): Promise<Session> {
  const uses = isSocket(server) ? SOCKET_USES : TLS_USES[target.sslMode];
  let refused: unknown;
  for (const tls of uses) {
    try {
      return await login(server, target, tls, options);
    } catch (error) {
      if (options.signal.aborted) throw abortError(options.signal);
      refused ??= error;
      if (!mayDiffer(error, tls)) break;
    }
  }
  throw connectError(refused, server, target);
}

const SOCKET_USES: readonly TlsUse[] = ["never"];

/** What to try, in order; the second only where the server refuses the first. */
const TLS_USES: Readonly<Record<ConnectTarget["sslMode"], readonly TlsUse[]>> = {
  disable: ["never"],
  allow: ["never", "always"],
  prefer: ["if-offered", "never"],
  require: ["always"],
  "verify-ca": ["always"],
  "verify-full": ["always"],
};

/** Whether the second way may work where the first did not. */
function mayDiffer(error: unknown, tls: TlsUse): boolean {
  // With and without TLS are different lines of pg_hba.conf: the other may let us in.
  if (error instanceof PostgresError) return error.sqlState === "28000";
  return error instanceof TlsFailed && tls === "if-offered";
}

async function login(
  server: Server,
  target: ConnectTarget,
  tls: TlsUse,
  options: HandshakeOptions,
): Promise<Session> {
  const stream = await openStream(server, target, tls, options.signal);
  const forget = onAbort(options.signal, () => stream.close());
  try {
    const wire = new Wire(stream, options.rowBytesMax);
    await stream.write(
      new Messages().startup({
        user: target.user,
        database: target.database,
        client_encoding: "UTF8",
        application_name: target.applicationName ?? options.applicationName,
        ...(target.options !== null && { options: target.options }),
      }).bytes(),
    );
    await authenticate(wire, target);
    return await untilReady(wire, stream.server);
  } catch (error) {
    stream.close();
    throw error;
  } finally {
    forget();
  }
}

/** Kinds of an authentication request. */
const AUTH = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

const OTHER_METHODS: Readonly<Record<number, string>> = {
  2: "Kerberos 5",
  6: "SCM credentials",
  7: "GSSAPI",
  9: "SSPI",
};

async function authenticate(wire: Wire, target: ConnectTarget): Promise<void> {
  let scram: Scram | null = null;
  let proven = false;
  const send = (messages: Messages) => wire.stream.write(messages.bytes());
  for (;;) {
    const kind = await nextAuthentication(wire);
    const rest = wire.body().slice(4);
    switch (kind) {
      case AUTH.ok:
        requireBinding(target, scram, proven);
        return;
      case AUTH.cleartext:
        // As libpq: the server decides. Over an open network sslmode=verify-full guards it.
        requireBinding(target, scram, proven);
        await send(new Messages().password(passwordOf(target)));
        break;
      case AUTH.md5:
        requireBinding(target, scram, proven);
        await send(new Messages().password(md5Password(target.user, passwordOf(target), rest)));
        break;
      case AUTH.sasl:
        scram = new Scram(passwordOf(target), chooseBinding(wire.stream, target, words(rest)));
        // Before the proof is sent, not after.
        requireBinding(target, scram, true);
        await send(new Messages().saslFirst(scram.mechanism, scram.first()));
        break;
      case AUTH.saslContinue:
        if (!scram) throw protocolError("a login step without a login");
        await send(new Messages().saslNext(await scram.final(decoder.decode(rest))));
        break;
      case AUTH.saslFinal:
        if (!scram) throw protocolError("a login's end without a login");
        scram.verify(decoder.decode(rest));
        proven = true;
        break;
      default:
        throw new AppError(
          "BAD_INPUT",
          `PostgreSQL asks for ${OTHER_METHODS[kind] ?? `authentication method ${kind}`}`,
          { hint: "let pg_hba.conf use scram-sha-256 (or md5, cert, trust) for this user" },
        );
    }
  }
}

async function nextAuthentication(wire: Wire): Promise<number> {
  for (;;) {
    const letter = await wire.next();
    if (letter === FROM_SERVER.error) throw new PostgresError(decodeFields(wire.body()));
    if (letter === FROM_SERVER.authentication && wire.bodyEnd - wire.bodyStart >= 4) {
      return wire.bodyInt32(0);
    }
    if (letter !== FROM_SERVER.notice && letter !== FROM_SERVER.negotiateVersion) {
      throw protocolError(`a message of letter ${letter} during the login`);
    }
  }
}

/** Nobody is let in who skips the proof that was begun, or the binding that was asked for. */
function requireBinding(target: ConnectTarget, scram: Scram | null, proven: boolean): void {
  if (scram && !proven) throw protocolError("the login ended before the server's proof");
  if (target.channelBinding === "require" && scram?.mechanism !== "SCRAM-SHA-256-PLUS") {
    throw new AppError("BAD_INPUT", "PostgreSQL did not bind the login to TLS", {
      hint: "channel_binding=require needs TLS and scram-sha-256 at the server",
    });
  }
}

function chooseBinding(stream: Stream, target: ConnectTarget, offered: string[]): ChannelBinding {
  const certificate = target.channelBinding === "disable" ? null : stream.peerCertificate;
  const endPoint = certificate && endPointHash(certificate);
  if (endPoint && offered.includes("SCRAM-SHA-256-PLUS")) return { kind: "bound", endPoint };
  if (offered.includes("SCRAM-SHA-256")) return { kind: endPoint ? "unoffered" : "none" };
  throw new AppError("BAD_INPUT", `PostgreSQL offers only the logins ${offered.join(", ")}`, {
    hint: "SCRAM-SHA-256 is supported; SCRAM-SHA-256-PLUS over TLS, unless channel_binding=disable",
  });
}

function passwordOf(target: ConnectTarget): string {
  if (target.password !== null && target.password !== "") return target.password;
  throw new AppError("BAD_INPUT", `PostgreSQL asks for the password of user ${target.user}`, {
    hint: "write it into DATABASE_URL, as postgres://user:password@host/database",
  });
}

async function untilReady(wire: Wire, server: Server): Promise<Session> {
  const parameters = new Map<string, string>();
  let processId = 0;
  let cancelKey = new Uint8Array();
  for (;;) {
    switch (await wire.next()) {
      case FROM_SERVER.backendKey:
        processId = wire.bodyInt32(0);
        cancelKey = wire.body().slice(4);
        break;
      case FROM_SERVER.parameterStatus: {
        const [name, value] = words(wire.body());
        if (name !== undefined && value !== undefined) parameters.set(name, value);
        break;
      }
      case FROM_SERVER.error:
        throw new PostgresError(decodeFields(wire.body()));
      case FROM_SERVER.readyForQuery:
        return { wire, server, processId, cancelKey, parameters };
    }
  }
}

const decoder = new TextDecoder();

/** Zero-ended texts, one after the other. */
function words(bytes: Uint8Array): string[] {
  const parts = decoder.decode(bytes).split("\0");
  while (parts.at(-1) === "") parts.pop();
  return parts;
}
