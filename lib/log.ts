/** Structured logs on standard error: JSON lines, or plain text for a person's terminal. */

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

/**
 * A log that writes lines at or above the level. `write` is given whole lines; by default they go
 * to standard error, as text where that is a terminal and as JSON elsewhere.
 */
export function createLog(
  level: LogLevel,
  write: (line: string) => void = toStandardError,
  format: "json" | "text" = write === toStandardError ? defaultFormat() : "json",
): Log {
  const lowest = LEVELS.indexOf(level);
  const at = (name: LogLevel) => (event: string, fields: LogFields = {}) => {
    if (LEVELS.indexOf(name) < lowest) return;
    write(format === "json" ? jsonLine(name, event, fields) : textLine(name, event, fields));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function defaultFormat(): "json" | "text" {
  return Deno.stderr.isTerminal() ? "text" : "json";
}

function toStandardError(line: string): void {
  Deno.stderr.writeSync(encoder.encode(line));
}

function jsonLine(level: LogLevel, event: string, fields: LogFields): string {
  return toJson({ time: new Date().toISOString(), level, event, ...fields }) + "\n";
}

function textLine(level: LogLevel, event: string, fields: LogFields): string {
  const words = Object.entries(fields).map(([name, value]) => {
    // Quoted where it would break the line, or a terminal would obey it.
    const bare = typeof value === "string" && /^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(value);
    return ` ${name}=${bare ? value : toJson(value)}`;
  });
  return `${new Date().toISOString().slice(11, 23)} ${level.padEnd(5)} ${event}${words.join("")}\n`;
}

/** A log must not throw: what JSON cannot hold is said to be so. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value, plain) ?? "undefined";
  } catch (error) {
    return JSON.stringify({ unloggable: String(error) });
  }
}

/** Errors as text with their causes, since `JSON.stringify` leaves them empty. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  return value.cause === undefined
    ? value.stack ?? String(value)
    : { error: value.stack ?? String(value), cause: value.cause };
}
