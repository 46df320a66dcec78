/** Errors as ClickHouse gives them: a number, a text, a name in capitals. */

/** What the program itself refuses, before the engine sees it. */
export class ClickhouseFault extends Error {
  override readonly name = "ClickhouseFault";

  constructor(readonly code: number, readonly label: string, text: string) {
    super(`Code: ${code}. DB::Exception: ${text} (${label})`);
  }
}

export const accessDenied = (text: string) => new ClickhouseFault(497, "ACCESS_DENIED", text);
export const syntaxError = (text: string) => new ClickhouseFault(62, "SYNTAX_ERROR", text);
export const tooBig = (text: string) => new ClickhouseFault(168, "TOO_BIG_AST", text);

/** The number in the engine's own text; 1001, which is any other exception, where there is none. */
export function codeOf(text: string): number {
  return Number(/Code: (\d+)\. /.exec(text)?.[1] ?? 1001);
}

/** The HTTP status of an error's number, as ClickHouse chooses it. */
export function statusOf(code: number): number {
  return STATUSES.find(([codes]) => codes.includes(code))?.[1] ?? 500;
}

// deno-fmt-ignore: a table reads best as one
const STATUSES: readonly [codes: readonly number[], status: number][] = [
  [[194, 516], 401], // REQUIRED_PASSWORD, AUTHENTICATION_FAILED
  [[291, 452, 497], 403], // DATABASE_ACCESS_DENIED, SETTING_CONSTRAINT_VIOLATION, ACCESS_DENIED
  [[16, 46, 47, 50, 56, 60, 81, 115], 404], // unknown column, function, identifier, type, storage, table, database, setting
  [[6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 69, 72, 117, 130, 456], 400], // what was sent cannot be read
  [[159], 408], // TIMEOUT_EXCEEDED
  [[12], 413], // PARAMETER_OUT_OF_BOUND, which a body above the limit is
  [[48], 501], // NOT_IMPLEMENTED
  [[202, 439], 503], // TOO_MANY_SIMULTANEOUS_QUERIES, CANNOT_SCHEDULE_TASK
];
