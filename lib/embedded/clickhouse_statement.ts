/**
 * What a statement is, and whether the embedded engine may run it.
 *
 * The engine itself refuses what its user has no right to: other databases, files, URLs, other
 * servers, users, most of SYSTEM (`clickhouse_config.ts`). It runs inside of a program though, and so
 * holds some doors open that a server closes: these are closed here, by words. A refusal too many
 * costs a name in quotes; one too few opens the machine's files, so words are refused wherever they
 * stand, as arguments of higher functions too.
 */

import { accessDenied, syntaxError, tooBig } from "./clickhouse_fault.ts";
import { type Token, tokensOf } from "./clickhouse_tokens.ts";

export interface Statement {
  /** For the engine: without the FORMAT clause where data follows from elsewhere. */
  readonly text: string;
  readonly kind: "rows" | "insert" | "other";
  /** By its FORMAT clause, null without one. */
  readonly format: string | null;
  /** An INSERT whose data does not stand in the text itself. */
  readonly awaitsData: boolean;
}

/** Reads one statement; throws what ClickHouse would answer where it may not run. */
export function readStatement(sql: string): Statement {
  const tokens: Token[] = [];
  let kind: Statement["kind"] | null = null;
  let dataFrom: { format: string; start: number; end: number } | null = null;
  let depth = 0;
  let ended = false;
  for (const token of tokensOf(sql)) {
    if (ended) throw syntaxError("Multi-statements are not allowed");
    if (token.text === ";" && token.kind === "mark") {
      ended = true;
      continue;
    }
    refuseWord(token);
    const before = tokens.at(-1);
    if (before) refuseFunction(before, token);
    if (tokens[0] && isWord(tokens[0], "CREATE")) refuseEngine(tokens, token);
    tokens.push(token);
    if (tokens.length > tokensMax) throw tooBig(`more than ${tokensMax} words`);
    if (token.kind === "word") kind ??= kindOf(token.text);
    if (token.text === "(" && token.kind === "mark") depth++;
    if (token.text === ")" && token.kind === "mark") depth--;
    if (kind !== "insert" || depth !== 0 || token.kind !== "word") continue;
    // Data begins here and is no SQL: `FORMAT CSV 1,2` and `VALUES (1, 2)`.
    if (before && isWord(before, "FORMAT")) {
      dataFrom = { format: token.text, start: before.start, end: token.end };
      break;
    }
    if (isWord(token, "VALUES")) {
      dataFrom = { format: "Values", start: token.start, end: token.end };
      break;
    }
  }
  const last = tokens.at(-1);
  if (kind === null || !last) throw syntaxError("Empty query");
  const format = dataFrom?.format ?? formatOf(tokens);
  if (format !== null) checkFormat(format);
  if (dataFrom) {
    const hasData = sql.slice(dataFrom.end).replace(/^[\s;]+/, "") !== "";
    const text = hasData ? sql : sql.slice(0, dataFrom.start);
    return { text, kind, format, awaitsData: !hasData };
  }
  return { text: sql.slice(0, last.end), kind, format, awaitsData: false };
}

/** A statement of this many words is a mistake; texts and data count as one or none. */
const tokensMax = 100_000;

/** What a statement begins with decides; of those that are not here no one runs. */
const KINDS: Readonly<Record<string, Statement["kind"]>> = {
  __proto__: null as never, // no word is there but these
  ...Object.fromEntries(
    "SELECT WITH SHOW DESCRIBE DESC EXISTS EXPLAIN CHECK".split(" ").map((word) => [word, "rows"]),
  ),
  INSERT: "insert",
  ...Object.fromEntries(
    "CREATE ALTER DROP TRUNCATE OPTIMIZE RENAME EXCHANGE KILL SYSTEM DELETE UPDATE".split(" ")
      .map((word) => [word, "other"]),
  ),
};

function kindOf(word: string): Statement["kind"] {
  const kind = KINDS[word.toUpperCase()];
  if (kind) return kind;
  const settings = /^(SET|USE)$/i.test(word)
    ? ": name settings and the database in the URL, each request stands alone"
    : "";
  throw accessDenied(`${word} is not allowed by the embedded engine${settings}`);
}

/** Names of functions that read files or ask other programs, and words that name files. */
const WORDS = new Set(
  ("file catboostevaluate eval executable executablepool " +
    "aiclassify aigenerate aiembed aiextract aitranslate").split(" "),
);
/** Not as quoted names: quoted they are names. */
const KEYWORDS = new Set(["infile", "outfile", "attach"]);

function refuseWord({ kind, text }: Token): void {
  if (kind !== "word" && kind !== "quoted") return;
  const name = text.toLowerCase();
  if (WORDS.has(name) || (kind === "word" && KEYWORDS.has(name))) {
    throw accessDenied(`the word ${text} is not allowed by the embedded engine`);
  }
}

/**
 * Table functions that take SQL or columns with DEFAULT expressions as a text, which no check of
 * words sees, or reach beyond the engine. Many of them its user has no right to anyway.
 */
const FUNCTIONS = new Set(
  ("format input null fuzzquery fuzzjson viewexplain generaterandom arrowstream python dictionary " +
    "disk filesystem filecluster url urlcluster s3 s3cluster gcs oss cosn hdfs hdfscluster remote " +
    "remotesecure cluster clusterallreplicas mysql postgresql sqlite mongodb redis jdbc odbc " +
    "prometheusquery prometheusqueryrange ytsaurus hudi hudicluster").split(" "),
);
const LAKES = /^(deltalake|iceberg|paimon|azureblobstorage)/;

/** Engines that keep their data in the folder, and nothing else. */
const ENGINES =
  /^((Replicated)?(Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing|Coalescing)?MergeTree|Memory|Null|Log|TinyLog|StripeLog|Join|Set|Atomic)$/;

function refuseFunction({ kind, text }: Token, after: Token): void {
  const isCall = after.kind === "mark" && after.text === "(" && kind !== "string";
  const name = text.toLowerCase();
  if (isCall && (FUNCTIONS.has(name) || LAKES.test(name))) {
    throw accessDenied(`${text}(...) is not allowed by the embedded engine`);
  }
}

/** `ENGINE name` and `ENGINE = name`; a column of that name is followed by neither. */
function refuseEngine(before: readonly Token[], { kind, text }: Token): void {
  if (kind !== "word" && kind !== "quoted") return;
  const last = before.at(-1);
  const named = last?.kind === "mark" && last.text === "=" ? before.at(-2) : last;
  if (!named || !isWord(named, "ENGINE") || isWord({ kind, text, start: 0, end: 0 }, "FROM")) {
    return;
  }
  if (!ENGINES.test(text)) {
    throw accessDenied(`engine ${text} is not allowed by the embedded engine`);
  }
}

function isWord({ kind, text }: Token, word: string): boolean {
  return kind === "word" && text.toUpperCase() === word;
}

/** That of the last FORMAT clause outside of brackets. */
function formatOf(tokens: readonly Token[]): string | null {
  let depth = 0;
  for (let i = tokens.length - 1; i > 0; i--) {
    const [token, before] = [tokens[i]!, tokens[i - 1]!];
    if (token.kind === "mark" && token.text === ")") depth++;
    if (token.kind === "mark" && token.text === "(") depth--;
    if (depth === 0 && token.kind === "word" && isWord(before, "FORMAT")) return token.text;
  }
  return null;
}

/** Formats that read a description of the data from a file are left out. */
const FORMATS =
  /^(Arrow|ArrowStream|Parquet|ORC|Native|Null|Values|Vertical|Markdown|XML|SQLInsert|TSKV|LineAsString|RawBLOB|One|Hash|(CSV|TSV|TSVRaw|TabSeparated|TabSeparatedRaw|RowBinary)(WithNames(AndTypes)?)?|JSON\w*|Pretty\w*)$/;

/** Refuses a format that the embedded engine does not serve. */
export function checkFormat(format: string): void {
  if (FORMATS.test(format)) return;
  throw accessDenied(`format ${format} is not allowed by the embedded engine`);
}
