/** Who holds the place of a worker, of whom only one works: for people who look for the process. */

export interface Holder {
  /** Empty where the process could not find out. */
  readonly host: string;
  readonly pid: number;
  /** When it took the place, RFC 3339. */
  readonly since: string;
}

/** This process, from now on. */
export function holderHere(host: string): Holder {
  return { host, pid: Deno.pid, since: new Date().toISOString() };
}

/** A holder as its record has it; null where an earlier program wrote that. */
export function readHolder(value: unknown): Holder | null {
  if (typeof value !== "object" || value === null) return null;
  const { host, pid, since } = value as Record<string, unknown>;
  const isWhole = typeof host === "string" && typeof pid === "number" && typeof since === "string";
  return isWhole ? { host, pid, since } : null;
}

/** The place of a worker as its record tells of it. */
export interface Place {
  readonly holder: Holder | null;
  /** It was left, and is free. */
  readonly stopped: boolean;
  /** Since the record was written. */
  readonly silentMs: number;
}

/** `process 123 on alpha since 2026-01-01T00:00:00.000Z`. */
export function holderText(holder: Holder | null): string {
  if (holder === null) return "another process";
  const { host, pid, since } = holder;
  return `process ${pid}${host === "" ? "" : ` on ${host}`} since ${since}`;
}

/** Who holds a place, and that it may be gone where it is silent for longer than it should. */
export function placeText({ holder, stopped, silentMs }: Place, silentMsMax: number): string {
  if (stopped) return `stopped (was ${holderText(holder)})`;
  const silence = `${(silentMs / 1000).toFixed(1)} s`;
  return silentMs <= silentMsMax
    ? `held by ${holderText(holder)}`
    : `held by ${holderText(holder)}, silent for ${silence}`;
}
