/**
 * The connection to NATS: waits for a server that is down and says so, stays connected through its
 * restarts, and refuses what can never work with a hint. (lib/events is the only door to
 * npm:@nats-io/*)
 *
 * Runs in a worker that may use the network and nothing else.
 */

import {
  connect,
  type ConnectionOptions,
  credsAuthenticator,
  errors,
  type NatsConnection,
} from "@nats-io/transport-node";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { abortError, AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { pause, within } from "../waiting.ts";
import { natsPlace, type NatsSettings } from "./nats_url.ts";
import "./large_messages.ts";
import "./steady_sockets.ts";
import { natsVersionMin, tooOld } from "./server_version.ts";

export interface ConnectOptions {
  readonly settings: NatsSettings;
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly log: Log;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Said once when it begins to wait, for people. */
  readonly onWait?: (line: string) => void;
  /** What a server may take to answer; default 5 s. */
  readonly answerMsMax?: number;
  /** False: a server that is down is `UNAVAILABLE` at once. */
  readonly wait?: boolean;
}

/** A connection, and JetStream's management over it. */
export interface Nats {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Host and port, for messages. */
  readonly place: string;
  /** Where answers go; undefined: where the client sends them by itself. */
  readonly inboxPrefix: string | undefined;
  /** False between a lost connection and the next, when what is sent would wait in a queue. */
  isConnected(): boolean;
  /** Calls back when the connection is lost, once; gives the end of that. */
  onDisconnect(listener: () => void): () => void;
  /** Takes its end as a stop of ours; what was published before is sent. */
  close(): Promise<void>;
}

/** Connects; returns when the server has answered and is one that will do. */
export async function connectNats(options: ConnectOptions): Promise<Nats> {
  const { log, settings, signal } = options;
  const place = natsPlace(settings);
  const connection = await untilConnected(options, place);
  try {
    checkServer(connection, place);
  } catch (error) {
    await connection.close();
    throw error;
  }
  const state: State = { isConnected: true, listeners: new Set() };
  void follow(connection, place, log, state);
  if (signal?.aborted) {
    await connection.close();
    throw abortError(signal);
  }
  const manager = await jetstreamManager(connection, {
    checkAPI: false, // a worker may have no right to ask
    timeout: options.answerMsMax ?? defaultAnswerMsMax,
  });
  return {
    connection,
    manager,
    place,
    inboxPrefix: settings.inboxPrefix,
    isConnected: () => state.isConnected && !connection.isClosed(),
    onDisconnect(listener) {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    close: () => end(connection),
  };
}

const defaultAnswerMsMax = 5000;

/** The longest wait between two tries, and how many pass between two lines that say so. */
const retryMsMax = 3000;
const sayEveryTries = 10;

async function untilConnected(
  { log, settings, name, signal, wait = true, ...options }: ConnectOptions,
  place: string,
): Promise<NatsConnection> {
  for (let tries = 0;; tries++) {
    if (signal?.aborted) throw abortError(signal);
    try {
      return await connect({
        ...clientOptions(settings),
        name,
        timeout: options.answerMsMax ?? defaultAnswerMsMax,
      });
    } catch (error) {
      const known = connectError(error, place);
      if (!wait || !(known instanceof AppError) || known.code !== "UNAVAILABLE") throw known;
      if (tries === 0) options.onWait?.(`waiting for NATS at ${place}: ${known.message}`);
      if (tries % sayEveryTries === 0) log.warn("waiting for nats", { reason: known.message });
    }
    const waitMs = Math.min(100 * 2 ** tries, retryMsMax);
    await pause(waitMs, signal);
  }
}

function clientOptions(settings: NatsSettings): ConnectionOptions {
  const { servers, user, password, token, creds, tls, inboxPrefix } = settings;
  return {
    servers: [...servers],
    ...user !== undefined && { user, pass: password ?? "" },
    ...token !== undefined && { token },
    ...creds !== undefined && {
      authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
    },
    ...tls && { tls: { ...tls } },
    ...inboxPrefix !== undefined && { inboxPrefix },
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 200,
    // A server that is being set up again may refuse for a moment whom it let in before.
    ignoreAuthErrorAbort: true,
    // A peer that is gone without a word is noticed after two of them.
    pingInterval: 10_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
}

/** What is wrong with a try to connect, in words for people. */
function connectError(error: unknown, place: string): unknown {
  const text = error instanceof Error ? error.message : String(error);
  const isSlow = /timeout/i.test(text); // also of the login, on a server that is busy
  if (!isSlow && (error instanceof errors.AuthorizationError || /authorization/i.test(text))) {
    return new AppError("UNAUTHENTICATED", `NATS at ${place} refuses user or password: ${text}`, {
      hint: "name a user of the server in FRAISEQL_NATS_URL: nats://user:password@host:port",
      cause: error,
    });
  }
  if (error instanceof errors.InvalidArgumentError) {
    return new AppError("UNSUPPORTED", `NATS at ${place}: ${text}`, {
      hint: "tls:// needs a server with TLS, nats:// takes either; see docs/nats.md",
      cause: error,
    });
  }
  if (/certificate|self.signed|unable to verify|UnknownIssuer|NotValidForName|tls/i.test(text)) {
    return new AppError("UNSUPPORTED", `NATS at ${place}: TLS fails: ${text}`, {
      hint: "name the authority's certificate with tls_ca=<file> in FRAISEQL_NATS_URL",
      cause: error,
    });
  }
  return new AppError("UNAVAILABLE", `NATS at ${place} does not answer: ${text}`, {
    hint: "is the server running, and is the address right? One that asks for a client's " +
      "certificate needs tls_cert and tls_key in FRAISEQL_NATS_URL",
    cause: error,
  });
}

function checkServer(connection: NatsConnection, place: string): void {
  const { version = "unknown", jetstream } = connection.info ?? {};
  if (tooOld(version)) {
    throw new AppError("UNSUPPORTED", `NATS at ${place} is version ${version}`, {
      hint: `${natsVersionMin} or newer is needed: a page of events is one atomic batch`,
    });
  }
  if (!jetstream) {
    throw new AppError("UNSUPPORTED", `NATS at ${place} has no JetStream`, {
      hint: "start it with JetStream: nats-server --jetstream, or a jetstream block in its file",
    });
  }
}

interface State {
  isConnected: boolean;
  readonly listeners: Set<() => void>;
}

/** Tells the log what becomes of the connection, until it is closed. */
async function follow(
  connection: NatsConnection,
  place: string,
  log: Log,
  state: State,
): Promise<void> {
  const lost = () => {
    state.isConnected = false;
    const listeners = [...state.listeners];
    state.listeners.clear();
    for (const listener of listeners) listener();
  };
  for await (const status of connection.status()) {
    switch (status.type) {
      case "disconnect":
        lost();
        log.warn("nats disconnected", { place });
        break;
      case "reconnect":
        state.isConnected = true;
        log.info("nats connected again", { place });
        break;
      case "error":
        log.warn("nats", { place, reason: status.error.message });
        break;
      default: // pings and the like
    }
  }
  lost(); // closed
}

async function end(connection: NatsConnection): Promise<void> {
  if (connection.isClosed()) return;
  // Without a server there is nobody to send to, and `drain` would wait for it.
  const isThere = await within(flushMsMax, connection.flush()).catch(() => false);
  if (isThere) await connection.drain().catch(() => {}); // it was closed in between
  await connection.close();
}

const flushMsMax = 1000;
