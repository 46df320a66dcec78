/** ClickHouse over HTTP: what the sink, `migrate` and readers of events ask. */

// deno-lint-ignore-file camelcase -- the names are ClickHouse's

import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { joined, wholeBody } from "./body.ts";
import { clickhouseError, connectionError } from "./errors.ts";
import { post } from "./post.ts";
import type { ClickhouseSettings } from "./url.ts";

export interface AskOptions {
  /** Values of `{name:Type}` in the statement. */
  readonly params?: Readonly<Record<string, string | number>>;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly signal?: AbortSignal;
  /** False before the database is there. */
  readonly inDatabase?: boolean;
}

export interface InsertOptions {
  /**
   * ClickHouse drops an insert whose token it has seen lately, also where it was killed before the
   * rows of the first one were there: after a failure, another token.
   */
  readonly token: string;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly signal?: AbortSignal;
}

export interface Clickhouse {
  readonly settings: ClickhouseSettings;
  /** Throws `UNAVAILABLE` where nobody answers. */
  ping(signal?: AbortSignal): Promise<void>;
  version(signal?: AbortSignal): Promise<string>;
  /** Runs a statement that has no result. */
  command(sql: string, options?: AskOptions): Promise<void>;
  /** A small result, read whole. 64-bit numbers are texts. */
  rows<Row>(sql: string, options?: AskOptions): Promise<Row[]>;
  /**
   * A result of any size as Arrow's stream format, uncompressed, in pieces of any length. Throws
   * where it is not whole, so what came before the throw is not the result. Leaving early ends the
   * statement.
   */
  arrow(sql: string, options?: AskOptions): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined>;
  /**
   * A result of any size in the format RawBLOB, values without anything between them. `isWhole` is
   * asked at the end whether the bytes behind those already given end as they should.
   */
  blob(
    sql: string,
    isWhole: (tail: Uint8Array) => boolean,
    options?: AskOptions,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined>;
  /**
   * Stores record batches: Arrow's stream format, in one piece or many. Throws `UNAVAILABLE` when the
   * same insert may be tried again; else it is refused for good.
   */
  insertArrow(
    table: string,
    pieces: Uint8Array<ArrayBuffer> | readonly Uint8Array<ArrayBuffer>[],
    options: InsertOptions,
  ): Promise<void>;
}

type ClientLimits = Pick<Limits, "clickhouseAnswerMsMax" | "clickhouseQuerySecondsMax">;

/** A client; connects when it is asked. */
export function connectClickhouse(
  settings: ClickhouseSettings,
  limits: ClientLimits,
): Clickhouse {
  const { origin } = settings;
  const readMsMax = limits.clickhouseQuerySecondsMax * 1000 + graceMs;

  /** The answer whose status is good; its body comes later. */
  const send = async (
    parameters: Readonly<Record<string, string | number>>,
    body: string | readonly Uint8Array[],
    msMax: number,
    signal: AbortSignal | undefined,
  ): Promise<Response> => {
    const url = new URL(origin);
    for (const [name, value] of Object.entries(parameters)) {
      url.searchParams.set(name, String(value));
    }
    const headers = {
      "X-ClickHouse-User": settings.user,
      "X-ClickHouse-Key": settings.password,
    };
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("late", "TimeoutError")), msMax);
    const until = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    try {
      const response = typeof body === "string"
        ? await fetch(url, { method: "POST", body, redirect: "error", headers, signal: until })
        : await post(url, { pieces: body, headers, signal: until });
      if (response.ok) return response;
      throw refusalOf(response, await response.text());
    } catch (error) {
      throw connectionError(origin, error, signal);
    } finally {
      clearTimeout(timer);
    }
  };

  const parametersOf = ({ params = {}, settings: given = {}, inDatabase = true }: AskOptions) => ({
    ...inDatabase && { database: settings.database },
    ...given,
    ...Object.fromEntries(
      Object.entries(params).map(([name, value]) => [`param_${name}`, escaped(String(value))]),
    ),
  });

  const ask = async (
    sql: string,
    options: AskOptions,
    isWhole: (tail: Uint8Array) => boolean,
    more: Readonly<Record<string, string | number>> = {},
  ) => {
    const parameters = { ...parametersOf(options), ...more };
    const response = await send(parameters, sql, readMsMax, options.signal);
    const { signal } = options;
    return wholeBody(
      response,
      { origin, silenceMsMax: readMsMax, ...signal && { signal } },
      isWhole,
    );
  };

  const text = async (sql: string, options: AskOptions, format: string) => {
    const pieces = await ask(sql, options, endsLine, { default_format: format });
    const kept: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > rowsBytesMax) {
        throw new AppError("TOO_LARGE", `a result of more than ${rowsBytesMax} bytes`);
      }
      kept.push(piece);
    }
    return new TextDecoder().decode(joined(kept));
  };

  return {
    settings,

    async ping(signal) {
      try {
        const late = AbortSignal.timeout(pingMsMax);
        const response = await fetch(new URL("/ping", origin), {
          signal: signal ? AbortSignal.any([signal, late]) : late,
        });
        const said = await response.text();
        if (!response.ok) throw refusalOf(response, said);
      } catch (error) {
        throw connectionError(origin, error, signal);
      }
    },

    async version(signal) {
      const sql = "SELECT version()";
      const options = { inDatabase: false, ...signal && { signal } };
      return (await text(sql, options, "TabSeparated")).trim();
    },

    async command(sql, options = {}) {
      await text(sql, options, "TabSeparated");
    },

    async rows<Row>(sql: string, options: AskOptions = {}) {
      // Not left to the server, whose default has changed: as a number a position loses its end.
      const settings = { output_format_json_quote_64bit_integers: 1, ...options.settings };
      const answer = await text(sql, { ...options, settings }, "JSONEachRow");
      return answer.split("\n").filter((line) => line !== "").map((line) =>
        JSON.parse(line) as Row
      );
    },

    async *arrow(sql, options = {}) {
      yield* await ask(sql, options, endsArrow, {
        default_format: "ArrowStream",
        output_format_arrow_compression_method: "none",
        output_format_arrow_string_as_string: 1,
      });
      return undefined;
    },

    async *blob(sql, isWhole, options = {}) {
      yield* await ask(sql, options, isWhole, { default_format: "RawBLOB" });
      return undefined;
    },

    async insertArrow(table, pieces, { token, settings: given = {}, signal }) {
      const parameters = {
        query: `INSERT INTO ${quoted(settings.database)}.${quoted(table)} FORMAT ArrowStream`,
        ...given,
        // By the server's default an insert may be answered before it is written, and its token
        // goes another way then.
        async_insert: 0,
        insert_deduplicate: 1,
        insert_deduplication_token: token,
      };
      const body = pieces instanceof Uint8Array ? [pieces] : pieces;
      try {
        const response = await send(parameters, body, limits.clickhouseAnswerMsMax, signal);
        const { clickhouseAnswerMsMax: silenceMsMax } = limits;
        const answer = wholeBody(response, { origin, silenceMsMax }, (tail) => tail.length === 0);
        for await (const _ of answer);
      } catch (error) {
        if (error instanceof AppError && error.code === "TIMEOUT") {
          throw new AppError("UNAVAILABLE", error.message, { cause: error });
        }
        throw error;
      }
    },
  };
}

/** The server ends a statement by its own limit, and says so a little later. */
const graceMs = 5000;
const pingMsMax = 2000;
/** Of results that are read whole: lists of tables, sums. */
const rowsBytesMax = 64 * 1024 * 1024;

function refusalOf(response: Response, said: string): AppError {
  const number = Number(response.headers.get("X-ClickHouse-Exception-Code") ?? NaN);
  if (Number.isFinite(number)) return clickhouseError(said, number);
  const code = [408, 429, 502, 503, 504].includes(response.status)
    ? "UNAVAILABLE"
    : response.status === 401
    ? "UNAUTHENTICATED"
    : "INTERNAL";
  const start = said.trim().slice(0, 200);
  return new AppError(code, `ClickHouse answered ${response.status}: ${start}`, {
    hint: "see FRAISEQL_CLICKHOUSE_URL: it must lead to ClickHouse's HTTP port",
  });
}

/** Parameters are read as fields of a line, in which backslashes, tabs and line ends are escaped. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
}

/** A name of a table or column, for a statement. */
export function quoted(name: string): string {
  return `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
}

/** Whole lines, or nothing at all. */
function endsLine(tail: Uint8Array): boolean {
  return tail.length === 0 || tail.at(-1) === 10;
}

/** Arrow's own end of a stream: a continuation mark and a length of zero. */
function endsArrow(tail: Uint8Array): boolean {
  const end = tail.subarray(-8);
  return end.length === 8 && end.every((byte, i) => byte === (i < 4 ? 255 : 0));
}
