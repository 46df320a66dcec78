/** One connection to PostgreSQL, for one user at a time. */

import { abortError, AppError } from "../errors.ts";
import { type Limits, limits as defaultLimits } from "../limits.ts";
import type { Log } from "../log.ts";
import { sendCancel } from "./cancel.ts";
import { lateError } from "./connect_errors.ts";
import { decodeFields, type FailedStatement, PostgresError, toAppError } from "./errors.ts";
import { openSession, type Session } from "./handshake.ts";
import { FROM_SERVER, Messages } from "./messages.ts";
import { onAbort } from "./on_abort.ts";
import { checkSession, type SessionFacts } from "./session.ts";
import { StatementCache } from "./statement_cache.ts";
import { type ConnectTarget, parseUrl, type Server, type SessionAttrs } from "./url.ts";

export interface ConnectOptions {
  readonly url: string | ConnectTarget;
  readonly limits?: Limits;
  readonly log?: Log;
  readonly applicationName?: string;
  /** Every transaction is read only: for connections that serve queries. */
  readonly readOnly?: boolean;
  /** The connection's statement_timeout until a read asks for another; none when absent. */
  readonly statementTimeoutMs?: number;
  /** Told of NOTIFY on channels that this connection listens to. */
  readonly onNotification?: (notification: Notification) => void;
  readonly signal?: AbortSignal;
}

/** What somebody sent by NOTIFY. */
export interface Notification {
  readonly channel: string;
  readonly payload: string;
}

/** Something that PostgreSQL remarked without failing. */
export interface Notice {
  readonly severity: string;
  readonly sqlState: string;
  readonly message: string;
}

/**
 * Connects, logs in and sets the session up. The servers of the URL are tried in order. Throws
 * `UNAVAILABLE` where none can be reached, `BAD_INPUT` where the URL or the server needs mending.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const target = typeof options.url === "string" ? parseUrl(options.url) : options.url;
  const limits = options.limits ?? defaultLimits();
  // A standby is asked for in the first round where in the second anything will do.
  const rounds: SessionAttrs[] = target.targetSessionAttrs === "prefer-standby"
    ? ["standby", "any"]
    : [target.targetSessionAttrs];
  const failures: AppError[] = [];
  for (const attrs of rounds) {
    for (const server of target.servers) {
      try {
        return await connectTo(server, attrs, target, limits, options);
      } catch (error) {
        if (options.signal?.aborted) throw abortError(options.signal);
        // Somebody is there and refuses us: the next server would be asked in vain.
        if (!(error instanceof AppError) || error.code !== "UNAVAILABLE") throw error;
        failures.push(error);
      }
    }
  }
  const [first] = failures;
  if (first && failures.length === 1) throw first;
  const messages = new Set(failures.map((failure) => failure.message));
  throw new AppError("UNAVAILABLE", [...messages].join("; "), {
    ...(first?.hint && { hint: first.hint }),
    retryAfterSeconds: 1,
    cause: failures,
  });
}

async function connectTo(
  server: Server,
  attrs: SessionAttrs,
  target: ConnectTarget,
  limits: Limits,
  options: ConnectOptions,
): Promise<Connection> {
  const waitMs = Math.min(limits.connectMsMax, target.connectTimeoutMs ?? Infinity);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(lateError(server, waitMs)), waitMs);
  const asked = options.signal;
  const forget = asked && onAbort(asked, () => stop.abort(asked.reason));
  let connection: Connection | null = null;
  try {
    const session = await openSession(server, target, {
      applicationName: options.applicationName ?? "fraiseql",
      rowBytesMax: limits.rowBytesMax,
      signal: stop.signal,
    });
    const made = connection = new Connection(session, target, limits, options);
    onAbort(stop.signal, () => made.abandon());
    connection.facts = await checkSession(connection, attrs, options);
    return connection;
  } catch (error) {
    connection?.abandon();
    throw stop.signal.aborted ? abortError(stop.signal) : error;
  } finally {
    clearTimeout(timer);
    forget?.();
  }
}

/** Whether the server waits (`I`), or is within a transaction (`T`), or in a failed one (`E`). */
export type TransactionStatus = "I" | "T" | "E";

/** A logged-in connection. */
export class Connection {
  readonly wire;
  readonly statements: StatementCache;
  /** What a read sends; free again once PostgreSQL has answered it. */
  readonly messages = new Messages();
  /** Every remark of PostgreSQL since the connection was made, newest last; the last 100. */
  readonly notices: Notice[] = [];
  facts: SessionFacts = { version: 0, pooled: false };
  status: TransactionStatus = "I";
  /** Syncs and simple queries whose ReadyForQuery is to come. */
  unanswered = 0;
  /** What PostgreSQL uses now; null when it is not known. */
  statementTimeoutMs: number | null = null;
  /** Settles when the cancel that was sent has been delivered. */
  cancelling: Promise<void> | null = null;
  /** Used before: it may have died while it lay idle. */
  reused = false;
  closed = false;

  constructor(
    readonly session: Session,
    readonly target: ConnectTarget,
    readonly limits: Limits,
    readonly options: Pick<ConnectOptions, "log" | "onNotification">,
  ) {
    this.wire = session.wire;
    this.statements = new StatementCache(limits.preparedStatementsMax);
  }

  /**
   * Runs SQL and gives its rows as text, those of several statements one after the other. Without
   * parameters the text may hold several statements, which are one transaction. Small results only:
   * all rows lie in memory.
   */
  async query(
    text: string,
    parameters: readonly (string | null)[] = [],
  ): Promise<(string | null)[][]> {
    if (this.unanswered > 0) throw new Error("the connection is in use");
    const simple = parameters.length === 0;
    const messages = simple
      ? new Messages().query(text)
      : new Messages().parse("", text).bind("", parameters, "text").execute().sync();
    const written = this.send(messages, 1);
    const rows: (string | null)[][] = [];
    let failure: AppError | null = null;
    let bound = false;
    while (this.unanswered > 0) {
      const letter = await this.next(failure);
      if (letter === FROM_SERVER.dataRow) rows.push(decodeTextRow(this.wire.body()));
      else if (letter === FROM_SERVER.error) {
        failure ??= this.failure({ parameters: parameters.length, bound });
      } else if (letter === FROM_SERVER.bindComplete) bound = true;
      else if (letter === FROM_SERVER.copyIn) {
        const refusal = new Messages().copyFail("COPY from the client is not supported");
        // In the extended protocol PostgreSQL ignores the Sync that came during COPY.
        await this.send(simple ? refusal : refusal.sync(), 0);
      } else this.take(letter);
    }
    await written;
    if (failure) throw failure;
    return rows;
  }

  /** Writes; `syncs` of the messages will be answered by a ReadyForQuery. */
  send(messages: Messages, syncs: number): Promise<void> {
    this.unanswered += syncs;
    const written = this.wire.stream.write(messages.bytes());
    // Who reads the answer sees that the connection broke; a failed write needs no second reader.
    return written.catch(() => {});
  }

  /** Next message; a connection that breaks after an error of PostgreSQL broke because of it. */
  async next(failure: AppError | null): Promise<number> {
    try {
      return await this.wire.next();
    } catch (error) {
      this.abandon();
      throw failure ?? error;
    }
  }

  /** Reads once; a connection that breaks after an error of PostgreSQL broke because of it. */
  async fill(failure: AppError | null): Promise<void> {
    try {
      await this.wire.fill();
    } catch (error) {
      this.abandon();
      throw failure ?? error;
    }
  }

  /** The error that was just read, as ours. */
  failure(statement?: Pick<FailedStatement, "parameters" | "places" | "bound">): AppError {
    // A failed transaction takes back settings made in it, and a plan may be out of date.
    this.statementTimeoutMs = null;
    const error = new PostgresError(decodeFields(this.wire.body()));
    if (error.sqlState === "0A000" || error.sqlState === "26000") this.statements.forget();
    return toAppError(error, statement && { ...statement, version: this.facts.version });
  }

  /** Whatever may come at any time, and the answers that need no other care. */
  take(letter: number): void {
    switch (letter) {
      case FROM_SERVER.readyForQuery:
        this.status = String.fromCharCode(
          this.wire.bytes[this.wire.bodyStart] ?? 0,
        ) as TransactionStatus;
        this.unanswered--;
        this.statements.settle();
        break;
      case FROM_SERVER.parseComplete:
        this.statements.parsed();
        break;
      case FROM_SERVER.notice: {
        const fields = decodeFields(this.wire.body());
        this.options.log?.debug("postgres.notice", fields);
        this.notices.push({
          severity: fields.severity ?? "",
          sqlState: fields.sqlState ?? "",
          message: fields.message ?? "",
        });
        if (this.notices.length > noticesMax) this.notices.shift();
        break;
      }
      case FROM_SERVER.parameterStatus: {
        const [name = "", value = ""] = decoder.decode(this.wire.body()).split("\0");
        this.session.parameters.set(name, value);
        break;
      }
      case FROM_SERVER.notification: {
        const [channel = "", payload = ""] = decoder.decode(this.wire.body().subarray(4))
          .split("\0");
        this.options.onNotification?.({ channel, payload });
        break;
      }
    }
  }

  /** Asks PostgreSQL to end what runs; safe to call again. Resolves when the cancel is delivered. */
  cancel(signal: AbortSignal): Promise<void> {
    return this.cancelling ??= sendCancel(
      {
        stream: this.wire.stream,
        processId: this.session.processId,
        cancelKey: this.session.cancelKey,
      },
      this.target,
      signal,
    );
  }

  /**
   * Reads while nothing runs, so that notifications come in and a dead connection is seen before
   * somebody needs it. Ends when the connection is used or broken; `broken` is told of the latter.
   */
  watch(broken: () => void): void {
    this.wire.fill().then(() => {
      // The first bytes of an answer: its reader takes them.
      if (this.unanswered > 0) return;
      for (let letter = this.wire.tryNext(); letter !== 0; letter = this.wire.tryNext()) {
        // An error while nothing runs announces the end of the connection.
        if (letter === FROM_SERVER.error) throw this.failure();
        this.take(letter);
      }
      this.watch(broken);
    }).catch(() => {
      if (this.unanswered > 0 || this.closed) return;
      this.abandon();
      broken();
    });
  }

  /** Says good-bye and closes. */
  async close(): Promise<void> {
    if (this.closed) return;
    if (this.unanswered === 0) await this.send(new Messages().terminate(), 0);
    this.abandon();
  }

  /** Closes without a word; PostgreSQL ends the session when it notices. */
  abandon(): void {
    this.closed = true;
    this.wire.stream.close();
  }
}

/** Notices are for people; more than this nobody reads. */
const noticesMax = 100;

const decoder = new TextDecoder();

/** One row of text values. */
export function decodeTextRow(body: Uint8Array): (string | null)[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const row: (string | null)[] = [];
  let at = 2;
  for (let left = view.getInt16(0); left > 0; left--) {
    const length = view.getInt32(at);
    at += 4;
    row.push(length < 0 ? null : decoder.decode(body.subarray(at, at + length)));
    at += Math.max(0, length);
  }
  return row;
}
