import type { Log } from "../log.ts";

/** A server that is away is asked for each request; its reason need not be read each time. */
const repeatMsMin = 1000;

/** Tells why connections could not be had: in one line, the same at most once a second. */
export function failureLog(
  log: Pick<Log, "warn">,
  nowMs: () => number = () => performance.now(),
): (error: unknown) => void {
  const told = new Map<string, number>();
  return (error) => {
    const reason = error instanceof Error ? error.message : String(error);
    const now = nowMs();
    for (const [old, at] of told) if (now - at >= repeatMsMin) told.delete(old);
    if (told.has(reason)) return;
    told.set(reason, now);
    log.warn("postgres.connect_failed", { reason });
  };
}
