/**
 * ClickHouse's errors as ours: which pass by themselves, so that whoever writes tries again, and
 * which stay. By number, because texts change with versions.
 */

import { abortError, AppError, type ErrorCode } from "../errors.ts";

// deno-fmt-ignore: a table reads best as one
const CODES: readonly [code: ErrorCode, numbers: readonly number[], hint?: string][] = [
  // Pass by themselves: memory, space, parts to merge, threads, network, keeper, replicas.
  ["UNAVAILABLE", [75, 76, 160, 198, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 279, 285, 286, 289, 319, 394, 425, 439, 473, 519, 571, 667, 692, 722, 733, 745, 999]],
  ["TIMEOUT", [159], "ask for less at once, or raise clickhouseQuerySecondsMax"],
  ["UNAUTHENTICATED", [192, 193, 194, 516], "see user and password of FRAISEQL_CLICKHOUSE_URL"],
  ["FORBIDDEN", [164, 291, 452, 497], "grant the ClickHouse user what it needs: docs/clickhouse.md"],
  ["NOT_FOUND", [60, 81], "run fraiseql migrate"],
  ["TOO_LARGE", [12, 158, 167, 168, 306, 307, 396], "ask for less at once"],
  ["UNSUPPORTED", [48, 344]],
  ["BAD_INPUT", [6, 8, 10, 16, 20, 26, 27, 32, 33, 36, 38, 41, 42, 43, 44, 46, 47, 50, 53, 57, 62, 69, 70, 72, 80, 115, 117, 122, 130, 131, 321, 349, 376, 386, 441, 469]],
];

/** One insert touches more months than ClickHouse takes at once: it shares its number with too many parts. */
const tooManyMonths = /Too many partitions for single INSERT block/;

/** The error of a text that ClickHouse gave: `Code: N. DB::Exception: ...`. */
export function clickhouseError(text: string, number = numberOf(text)): AppError {
  const message = `ClickHouse: ${text.trim().slice(0, messageCharsMax)}`;
  if (tooManyMonths.test(text)) {
    return new AppError("BAD_INPUT", message, { hint: "insert fewer months at once" });
  }
  const row = CODES.find(([, numbers]) => numbers.includes(number ?? -1));
  if (!row) return new AppError("INTERNAL", message);
  const [code, , hint] = row;
  return new AppError(code, message, hint === undefined ? {} : { hint });
}

/** Enough to see what is wrong; some texts repeat the statement with all its data. */
const messageCharsMax = 2000;

export function numberOf(text: string): number | null {
  const found = /Code: (\d+)\. DB::/.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}

/** The error of an answer that is none: refused, cut, too late. */
export function connectionError(
  origin: string,
  cause: unknown,
  signal: AbortSignal | undefined,
): Error {
  if (cause instanceof AppError) return cause;
  if (signal?.aborted) return abortError(signal);
  const late = cause instanceof DOMException && cause.name === "TimeoutError";
  const what = late ? "does not answer in time" : `cannot be reached: ${plain(cause)}`;
  return new AppError("UNAVAILABLE", `ClickHouse at ${origin} ${what}`, {
    hint: "see that it runs, and FRAISEQL_CLICKHOUSE_URL",
    cause,
  });
}

function plain(cause: unknown): string {
  // fetch names the whole URL, in which a statement and its values stand.
  return String(cause instanceof Error ? cause.message : cause)
    .replace(/for url \(\S*\)?:?\s*/g, "")
    .slice(0, 300);
}
