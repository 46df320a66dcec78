/**
 * ClickHouse's HTTP interface over the embedded engine: `/ping`, a statement in `?query=` or in the
 * body, data of an INSERT behind it, settings and `param_...` as URL parameters.
 */

import { accessDenied, ClickhouseFault, statusOf, syntaxError } from "./clickhouse_fault.ts";
import type { Engine, Session } from "./clickhouse_library.ts";
import { canStream, oneDocument } from "./clickhouse_pieces.ts";
import { checkFormat, readStatement, type Statement } from "./clickhouse_statement.ts";

export interface HttpLimits {
  /** Statements that run at once; each holds a thread of this process. */
  readonly queriesMax: number;
  /** Requests that wait for their turn. */
  readonly queueMax: number;
  readonly querySecondsMax: number;
  /** Data of an INSERT. */
  readonly bodyBytesMax: number;
  /** A result that is not given in pieces lies in memory whole. */
  readonly resultBytesMax: number;
}

export interface HttpOptions {
  readonly user: string;
  readonly password: string;
  readonly limits: HttpLimits;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Answers requests by the engine. */
export function clickhouseHandler(
  engine: Engine,
  options: HttpOptions,
): (request: Request) => Promise<Response> {
  const turns = new Turns(options.limits);
  return async (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/ping") return new Response("Ok.\n");
    const queryId = url.searchParams.get("query_id") || crypto.randomUUID();
    try {
      if (url.pathname !== "/") {
        return new Response(`There is no handle ${url.pathname}\n`, { status: 404 });
      }
      await authenticate(request, url, options);
      return await run(request, url, queryId, engine, options.limits, turns);
    } catch (error) {
      return refusal(error, queryId);
    }
  };
}

function refusal(error: unknown, queryId: string): Response {
  const fault = error instanceof ClickhouseFault ? error : unexpected(error);
  return new Response(`${fault.message}\n`, {
    status: statusOf(fault.code),
    headers: {
      "Content-Type": "text/plain; charset=UTF-8",
      "X-ClickHouse-Exception-Code": String(fault.code),
      "X-ClickHouse-Query-Id": headerText(queryId),
      ...fault.code === 516 && { "WWW-Authenticate": 'Basic realm="ClickHouse"' },
      // What of the body was not read is not worth reading.
      "Connection": "close",
    },
  });
}

function unexpected(error: unknown): ClickhouseFault {
  return new ClickhouseFault(1001, "STD_EXCEPTION", String(error));
}

const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, "?");

/** By headers of ClickHouse's own, basic authentication, or parameters, as ClickHouse takes them. */
async function authenticate(request: Request, url: URL, options: HttpOptions): Promise<void> {
  const header = request.headers;
  const basic = /^Basic (.+)$/i.exec(header.get("Authorization") ?? "")?.[1];
  const [user, password] = header.has("X-ClickHouse-User") || header.has("X-ClickHouse-Key")
    ? [header.get("X-ClickHouse-User") ?? "default", header.get("X-ClickHouse-Key") ?? ""]
    : basic !== undefined
    ? userAndPassword(basic)
    : [url.searchParams.get("user") ?? "default", url.searchParams.get("password") ?? ""];
  const good = await same(user, options.user) && await same(password, options.password);
  if (good) return;
  throw new ClickhouseFault(
    516,
    "AUTHENTICATION_FAILED",
    `${user.slice(0, 100)}: Authentication failed: password is incorrect, or there is no user ` +
      "with such name",
  );
}

function userAndPassword(basic: string): [string, string] {
  try {
    const text = new TextDecoder().decode(Uint8Array.fromBase64(basic));
    const colon = text.indexOf(":");
    return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
  } catch {
    return ["", ""]; // nobody's
  }
}

/** Compared by hashes, so that the time taken tells nothing about the password. */
async function same(given: string, wanted: string): Promise<boolean> {
  const hash = async (text: string) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const [a, b] = await Promise.all([hash(given), hash(wanted)]);
  return a.every((byte, i) => byte === b[i]);
}

async function run(
  request: Request,
  url: URL,
  queryId: string,
  engine: Engine,
  limits: HttpLimits,
  turns: Turns,
): Promise<Response> {
  const { statement, data } = await readRequest(request, url, limits);
  if (request.method !== "POST" && statement.kind !== "rows") {
    throw new ClickhouseFault(164, "READONLY", `${request.method} may only read: use POST`);
  }
  const asked = { ...statement, text: `/* ${marker()} */ ${statement.text}` };
  const release = await turns.take(request.signal);
  let watch: Watch | null = null;
  let session: Session | null = null;
  let ended: Promise<void> | null = null;
  const end = () => ended ??= giveBack();
  const giveBack = async () => {
    watch?.end();
    await session?.close();
    release();
  };
  try {
    session = await engine.open();
    watch = watchOver(asked.text, request.signal, engine, limits);
    const format = statement.format ?? url.searchParams.get("default_format") ?? "TabSeparated";
    checkFormat(format);
    const isHeld = statement.kind === "rows" && !canStream(format);
    await prepare(session, url, isHeld ? { max_result_bytes: limits.resultBytesMax } : {});
    const headers = { "X-ClickHouse-Query-Id": headerText(queryId), ...typeOf(format) };
    if (statement.awaitsData) {
      await session.insert(asked.text, format, data ? larger(data) : none());
    } else if (statement.kind === "rows" && canStream(format)) {
      const pieces = await session.stream(asked.text, format);
      if (pieces) {
        const document = oneDocument(pieces, format);
        return await answerInPieces(document, headers, watch.kill, end);
      }
    }
    const result = statement.awaitsData
      ? new Uint8Array()
      : await session.query(asked.text, format);
    await end();
    return new Response(result, { headers });
  } catch (error) {
    await end();
    throw error;
  }
}

/** Names the statement among those that run, so that it can be ended. */
const marker = () => `request ${crypto.randomUUID()}`;

/** Pieces of the network are small, and handing one over takes as long as handing over a large one. */
async function* larger(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.length;
    if (bytes < pieceBytesMin) continue;
    yield joined(held, bytes);
    [held, bytes] = [[], 0];
  }
  if (bytes > 0) yield joined(held, bytes);
  return undefined;
}

const pieceBytesMin = 1024 * 1024;

function joined(pieces: readonly Uint8Array[], bytes: number): Bytes {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

async function* none(): AsyncGenerator<Uint8Array> {}

/** The statement, and the stream that holds what it awaits. */
async function readRequest(
  request: Request,
  url: URL,
  limits: HttpLimits,
): Promise<{ statement: Statement; data: AsyncIterable<Uint8Array> | null }> {
  if (request.headers.has("Content-Encoding")) {
    throw new ClickhouseFault(48, "NOT_IMPLEMENTED", "compressed bodies are not supported");
  }
  const inUrl = url.searchParams.get("query");
  const body = request.body && bounded(request.body, limits.bodyBytesMax, request.signal);
  if (inUrl !== null) {
    const statement = readStatement(inUrl);
    if (statement.awaitsData) return { statement, data: body };
    const rest = body ? await textOf(body) : "";
    return rest.trim() === ""
      ? { statement, data: null }
      : { statement: readStatement(`${inUrl}\n${rest}`), data: null };
  }
  return { statement: readStatement(body ? await textOf(body) : ""), data: null };
}

/** The body as it comes, up to the limit; ends by an error where it is cut. */
async function* bounded(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, undefined> {
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new ClickhouseFault(12, "PARAMETER_OUT_OF_BOUND", `more than ${bytesMax} bytes`);
    }
    yield piece;
  }
  signal.throwIfAborted();
  return undefined;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for await (const piece of body) text += decoder.decode(piece, { stream: true });
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw syntaxError("the statement is not UTF-8");
    throw error;
  }
}

/** Parameters that are no settings. */
const OWN = new Set(
  "query query_id database default_format user password session_id session_timeout session_check wait_end_of_query buffer_size compress decompress"
    .split(" "),
);

/** The database, settings and query parameters of the request; ours come last and stay. */
async function prepare(
  session: Session,
  url: URL,
  ours: Readonly<Record<string, number>>,
): Promise<void> {
  const database = url.searchParams.get("database") || "default";
  if (database !== "default") await session.query(`USE ${quoteName(database)}`);
  const settings = [...url.searchParams].filter(([name]) => !OWN.has(name));
  const lines: string[] = [];
  for (const [name, value] of settings) {
    if (!/^\w{1,200}$/.test(name)) {
      throw new ClickhouseFault(115, "UNKNOWN_SETTING", `Unknown setting '${name.slice(0, 100)}'`);
    }
    lines.push(`${name} = ${quoteText(value)}`);
  }
  if (url.searchParams.get("session_id")) throw accessDenied("sessions are not supported");
  for (const [name, value] of Object.entries(ours)) lines.push(`${name} = ${value}`);
  if (lines.length > 0) await session.query(`SET ${lines.join(", ")}`);
}

function quoteName(name: string): string {
  if (!/^\w{1,200}$/.test(name)) {
    throw new ClickhouseFault(81, "UNKNOWN_DATABASE", `Database ${name.slice(0, 100)} is unknown`);
  }
  return `\`${name}\``;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function typeOf(format: string): Record<string, string> {
  const type = format.startsWith("JSON")
    ? /EachRow$/.test(format) ? "application/x-ndjson; charset=UTF-8" : "application/json"
    : format === "ArrowStream"
    ? "application/vnd.apache.arrow.stream"
    : /^(CSV|TSV|Tab|Pretty|Vertical|TSKV)/.test(format)
    ? "text/plain; charset=UTF-8"
    : "application/octet-stream";
  return { "Content-Type": type, "X-ClickHouse-Format": format };
}

/**
 * The status waits for the first piece, so that what fails at its start is an error. What fails
 * later is told at the body's end, by the block that the tag in the head announces.
 */
async function answerInPieces(
  document: AsyncGenerator<Bytes, undefined>,
  headers: Record<string, string>,
  kill: () => void,
  end: () => Promise<void>,
): Promise<Response> {
  const first = await document.next();
  if (first.done) {
    await end();
    return new Response(null, { headers });
  }
  const tag = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  let held: Bytes | null = first.value;
  const body = new ReadableStream<Bytes>({
    async pull(controller) {
      if (held) {
        controller.enqueue(held);
        held = null;
        return;
      }
      try {
        const { value, done } = await document.next();
        if (!done) return controller.enqueue(value);
      } catch (error) {
        const text = error instanceof ClickhouseFault ? error.message : unexpected(error).message;
        controller.enqueue(exceptionBlock(text, tag));
      }
      await end();
      controller.close();
    },
    async cancel() {
      kill();
      await document.return(undefined).catch(() => {}); // it was killed, which is what was asked
      await end();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { ...headers, "X-ClickHouse-Exception-Tag": tag } });
}

/** As ClickHouse writes it: marks, the tag, the text, its length and the tag again. */
function exceptionBlock(text: string, tag: string): Bytes {
  const message = new TextEncoder().encode(`${text}\n`);
  const head = new TextEncoder().encode(`\r\n__exception__\r\n${tag}\r\n`);
  const foot = new TextEncoder().encode(`${message.length} ${tag}\r\n__exception__\r\n`);
  const block = new Uint8Array(head.length + message.length + foot.length);
  block.set(head);
  block.set(message, head.length);
  block.set(foot, head.length + message.length);
  return block;
}

interface Watch {
  readonly kill: () => void;
  end(): void;
}

/** Kills the statement when whoever asked is gone, or it takes too long. */
function watchOver(text: string, gone: AbortSignal, engine: Engine, limits: HttpLimits): Watch {
  const name = text.slice(0, text.indexOf("*/") + 2);
  let ended = false;
  const kill = async () => {
    // It may be about to begin: the engine knows it a moment later.
    for (let tries = 0; !ended && tries < killTriesMax; tries++) {
      const session = await engine.open();
      try {
        await session.query(`KILL QUERY WHERE startsWith(query, '${name}') ASYNC`);
      } finally {
        await session.close();
      }
      await new Promise((done) => setTimeout(done, killPauseMs));
    }
  };
  const killNow = () => void kill().catch(() => {}); // the engine ends it by its own limit of time at the latest
  gone.addEventListener("abort", killNow, { once: true });
  const timer = setTimeout(killNow, limits.querySecondsMax * 1000 + graceMs);
  return {
    kill: killNow,
    end() {
      ended = true;
      clearTimeout(timer);
      gone.removeEventListener("abort", killNow);
    },
  };
}

const killTriesMax = 100;
const killPauseMs = 50;
/** The engine ends most statements itself, by the same limit. */
const graceMs = 2000;

/** Whose turn it is: some at once, some more in a queue, nobody beyond. */
class Turns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly limits: HttpLimits) {}

  /** Resolves to what gives the turn back, which may be called again. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.running >= this.limits.queriesMax) await this.wait(signal);
    else this.running++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.waiting.shift();
      if (next) next(); // the turn goes on to the next
      else this.running--;
    };
  }

  private wait(signal: AbortSignal): Promise<void> {
    if (this.waiting.length >= this.limits.queueMax) {
      throw new ClickhouseFault(
        202,
        "TOO_MANY_SIMULTANEOUS_QUERIES",
        `Too many simultaneous queries: ${this.limits.queriesMax} run, ${this.waiting.length} wait`,
      );
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        const place = this.waiting.indexOf(go);
        if (place >= 0) this.waiting.splice(place, 1);
        reject(new ClickhouseFault(394, "QUERY_WAS_CANCELLED", "whoever asked is gone"));
      };
      const go = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.waiting.push(go);
    });
  }
}
