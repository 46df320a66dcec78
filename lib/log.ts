/** Structured logs: one JSON object a line on standard error, or plain text for a person's terminal. */

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

const encoder = new TextEncoder();

/** A log that writes lines at or above the level. `write` is given whole lines. */
export function createLog(
  level: LogLevel,
  write: (line: string) => void = (line) => void Deno.stderr.writeSync(encoder.encode(line)),
): Log {
  const lowest = LEVELS.indexOf(level);
  const at = (name: LogLevel) => (event: string, fields: LogFields = {}) => {
    if (LEVELS.indexOf(name) < lowest) return;
    const line = { time: new Date().toISOString(), level: name, event, ...fields };
    write(JSON.stringify(line, plain) + "\n");
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Errors as text with their causes, since `JSON.stringify` leaves them empty. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  return value.cause === undefined
    ? value.stack ?? String(value)
    : { error: value.stack ?? String(value), cause: value.cause };
}
