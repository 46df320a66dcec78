/** Statements go out in one write, rows come back as they lie in the socket's buffer. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import { deadline, timerMsMax } from "../deadlines.ts";
import { abortError, AppError } from "../errors.ts";
import type { ReadOptions, SqlStatement } from "../query/database.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLost } from "./errors.ts";
import { schemaChanged } from "./errors.ts";
import { FROM_SERVER, type Messages, type ResultFormat } from "./messages.ts";
import { onAbort } from "./on_abort.ts";
import { transactionSettings } from "./session.ts";

const begin: SqlStatement = {
  text: "begin isolation level repeatable read read only",
  parameters: [],
};
const commit: SqlStatement = { text: "commit", parameters: [] };

/** What is executed, in order; rows of `index` -1 are none of the caller's. */
interface Step {
  readonly statement: SqlStatement;
  readonly index: number;
  /** Never asked again, so PostgreSQL need not remember it by a name. */
  readonly isOnce?: boolean;
  /** What an error of it means, where not what PostgreSQL says. */
  readonly failure?: () => AppError;
}

/**
 * Runs the statements in one read-only snapshot; see `Database.rows`. When it ends otherwise than by
 * its last row the connection needs `recover` before anybody else may use it.
 */
export async function* readRows(
  connection: Connection,
  statements: readonly SqlStatement[],
  options: ReadOptions,
  format: ResultFormat = "binary",
): AsyncGenerator<RowChunk, void, undefined> {
  if (options.signal.aborted) throw abortError(options.signal);
  for (const statement of statements) checkStatement(statement);
  const { wire } = connection;
  const statementTimeoutMs = toTimeout(options.statementTimeoutMs);
  const patience = new Patience(connection, options.signal, statementTimeoutMs);
  try {
    const steps = toSteps(connection, statements, statementTimeoutMs, options.snapshot);
    const written = connection.send(toMessages(connection, steps, format), 1);
    connection.statementTimeoutMs = statementTimeoutMs;
    let step = 0;
    let bound = 0;
    let failure: AppError | null = null;
    while (connection.unanswered > 0) {
      const from = wire.start;
      const to = wire.endOfRows();
      if (to > from) {
        wire.start = to;
        const statement = steps[step]?.index ?? -1;
        if (statement >= 0) yield { statement, bytes: wire.bytes, start: from, end: to };
        continue;
      }
      const letter = wire.tryNext();
      if (letter === 0) {
        try {
          await patience.wait(wire.fill());
        } catch (error) {
          if (error instanceof ConnectionLost) connection.abandon();
          throw failure ?? error;
        }
      } else if (letter === FROM_SERVER.commandComplete || letter === FROM_SERVER.emptyQuery) {
        step++;
      } else if (letter === FROM_SERVER.bindComplete) {
        bound++;
      } else if (letter === FROM_SERVER.error) {
        const failed = steps[step];
        const parameters = failed?.statement.parameters.length ?? 0;
        const places = failed?.statement.places ?? {};
        const told = connection.failure({ parameters, places, bound: bound > step });
        failure = failed?.failure?.() ?? told;
      } else if (letter === FROM_SERVER.rowDescription) {
        checkTypes(connection, steps[step]?.statement);
      } else if (letter === FROM_SERVER.copyIn || letter === FROM_SERVER.copyOut) {
        throw new Error("a query of ours began a COPY");
      } else connection.take(letter);
    }
    await written;
    if (failure) throw failure;
  } finally {
    patience.end();
  }
}

/** Before anything is sent: what the protocol's fields cannot hold. */
function checkStatement({ text, parameters }: SqlStatement): void {
  if (parameters.length > parametersMax) {
    throw new AppError(
      "TOO_LARGE",
      `a statement has ${parameters.length} parameters, PostgreSQL takes ${parametersMax}`,
      { hint: "ask in parts, or with fewer values in the conditions" },
    );
  }
  if (text.includes("\0")) {
    throw new AppError("BAD_INPUT", "PostgreSQL's text cannot hold the character NUL");
  }
}

/** Counted by 16 bits in a Bind message. */
const parametersMax = 65_535;

/** Whole milliseconds that PostgreSQL takes; 0 would mean none. */
function toTimeout(ms: number): number {
  return Math.min(Math.max(1, Math.ceil(ms)), timerMsMax);
}

/** Several statements need a transaction to share a snapshot; one brings its own. */
function toSteps(
  connection: Connection,
  statements: readonly SqlStatement[],
  statementTimeoutMs: number,
  snapshot: string | undefined,
): Step[] {
  const own = statements.map((statement, index) => ({ statement, index }));
  const aside = (statement: SqlStatement): Step => ({ statement, index: -1 });
  if (connection.facts.pooled) {
    const settings = setConfig(transactionSettings(connection.facts, statementTimeoutMs), true);
    return [aside(begin), ...imported(snapshot), aside(settings), ...own, aside(commit)];
  }
  // After BEGIN, since an isolation level is refused once a statement has run.
  const settings = connection.statementTimeoutMs === statementTimeoutMs
    ? []
    : [aside(setConfig({ statement_timeout: String(statementTimeoutMs) }, false))];
  if (own.length === 1 && snapshot === undefined) return [...settings, ...own];
  return [aside(begin), ...imported(snapshot), ...settings, ...own, aside(commit)];
}

/** Before any other statement, since a transaction that has a snapshot takes no other. */
function imported(snapshot: string | undefined): Step[] {
  if (snapshot === undefined) return [];
  // PostgreSQL's own text; it takes no parameter here.
  if (!/^[0-9A-F-]+$/.test(snapshot)) throw new Error(`no name of a snapshot: ${snapshot}`);
  const statement = { text: `set transaction snapshot '${snapshot}'`, parameters: [] };
  return [{ statement, index: -1, isOnce: true, failure: snapshotEnded }];
}

function snapshotEnded(): AppError {
  return new AppError("NOT_FOUND", "the snapshot to read in has ended", {
    hint: "ask GetFlightInfo again, and read its tickets before they expire",
  });
}

function setConfig(settings: Readonly<Record<string, string>>, local: boolean): SqlStatement {
  const calls = Object.keys(settings).map((name, index) =>
    `pg_catalog.set_config('${name}', $${index + 1}, ${local})`
  );
  return { text: `select ${calls.join(", ")}`, parameters: Object.values(settings) };
}

function toMessages(
  connection: Connection,
  steps: readonly Step[],
  format: ResultFormat,
): Messages {
  const messages = connection.messages.clear();
  const { pooled } = connection.facts;
  if (!pooled) connection.statements.trim(messages);
  for (const { statement: { text, parameters }, isOnce } of steps) {
    // Behind a pooler the next read may meet another server connection, which knows no names.
    const name = pooled ? "" : connection.statements.use(text, messages, !isOnce);
    if (pooled) messages.parse("", text).describeStatement("");
    messages.bind(name, parameters, format).execute();
  }
  return messages.sync();
}

/** A column that got another type since the schema was read would be decoded as what it was. */
function checkTypes(connection: Connection, statement: SqlStatement | undefined): void {
  const planned = statement?.resultTypes;
  if (!planned) return;
  const body = connection.wire.body();
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const columns = view.getInt16(0);
  let at = 2;
  let same = columns === planned.length;
  for (let i = 0; i < columns && same; i++) {
    at = body.indexOf(0, at) + 1;
    same = view.getUint32(at + 6) === planned[i];
    at += 18;
  }
  if (same) return;
  connection.statements.forget();
  throw schemaChanged();
}

/** Waiting for bytes that ends when the caller aborts, or when PostgreSQL falls silent for good. */
class Patience {
  #interrupt: ((reason: AppError) => void) | null = null;
  /** Null while the caller is busy with a chunk. */
  #waitingSince: number | null = null;
  #unwatch = () => {};
  readonly #silenceMs: number;
  readonly #signal: AbortSignal;
  readonly #forget: () => void;

  constructor(readonly connection: Connection, signal: AbortSignal, statementTimeoutMs: number) {
    this.#signal = signal;
    this.#forget = onAbort(this.#signal, () => this.#interrupt?.(abortError(this.#signal)));
    this.#silenceMs = statementTimeoutMs + connection.limits.silenceMsMax;
    this.#unwatch = deadline(this.#silenceMs, () => this.#look());
  }

  wait(reading: Promise<void>): Promise<void> {
    this.#waitingSince = performance.now();
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      reading.then(() => {
        this.#waitingSince = null;
        resolve();
      }, reject);
      if (this.#signal.aborted) reject(abortError(this.#signal));
    });
  }

  end(): void {
    this.#unwatch();
    this.#forget();
  }

  /** One deadline for all waits of a read: it looks again when the last wait could be too long. */
  #look(): void {
    const waitedMs = performance.now() - (this.#waitingSince ?? performance.now());
    if (waitedMs < this.#silenceMs) {
      const timer = setTimeout(
        () => this.#look(),
        Math.min(this.#silenceMs - waitedMs, timerMsMax),
      );
      this.#unwatch = () => clearTimeout(timer);
      return;
    }
    this.connection.abandon();
    this.#interrupt?.(silentError());
  }
}

function silentError(): AppError {
  return new AppError("UNAVAILABLE", "PostgreSQL fell silent", {
    hint: "check the network to PostgreSQL, then try again",
    retryAfterSeconds: 5,
  });
}
