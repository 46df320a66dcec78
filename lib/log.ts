/** Structured logs on standard error: JSON lines, or plain text for a person's terminal. */

import { standardError } from "./log_lines.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/**
 * A log that writes lines at or above the level. `write` is given whole lines; by default they go
 * to standard error, as text where that is a terminal and as JSON elsewhere, where only warnings and
 * errors are sure to be written at once.
 */
export function createLog(
  level: LogLevel,
  write: (line: string, level: LogLevel) => void = toStandardError,
  format: "json" | "text" = write === toStandardError ? defaultFormat() : "json",
): Log {
  const lowest = LEVELS.indexOf(level);
  const at = (name: LogLevel) => (event: string, fields: LogFields = {}) => {
    if (LEVELS.indexOf(name) < lowest) return;
    write(format === "json" ? jsonLine(name, event, fields) : textLine(name, event, fields), name);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Asked once: it is a call to the system. */
let terminal: boolean | null = null;
const isTerminal = () => terminal ??= Deno.stderr.isTerminal();

function defaultFormat(): "json" | "text" {
  return isTerminal() ? "text" : "json";
}

function toStandardError(line: string, level: LogLevel): void {
  const isUrgent = level === "warn" || level === "error";
  standardError().push(line, isUrgent || isTerminal());
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
    return JSON.stringify(value, isFlat(value) ? undefined : plain) ?? "undefined";
  } catch (error) {
    return JSON.stringify({ unloggable: String(error) });
  }
}

/** Whether all within is what JSON has a form for: `plain`, asked of each, would triple the time. */
function isFlat(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  for (const part of Object.values(value)) {
    if (part !== null && (typeof part === "object" || typeof part === "bigint")) return false;
  }
  return true;
}

/** Errors as text with their causes, since `JSON.stringify` leaves them empty. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  return value.cause === undefined
    ? value.stack ?? String(value)
    : { error: value.stack ?? String(value), cause: value.cause };
}
