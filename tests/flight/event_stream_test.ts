import { rejects } from "node:assert/strict";
import { type EventSources, eventStream } from "../../flight/event_stream.ts";
import { AppError } from "../../lib/errors.ts";
import { LIMITS } from "../../lib/limits.ts";

/** NATS that is away, as a connection knows at once. */
class AwaySources implements EventSources {
  /** How often it was asked. */
  asked = 0;

  constructor(private readonly onAsked: (asked: number) => void) {}

  history() {
    return Promise.resolve({
      read: () => {
        throw new Error("history is read up to what NATS says");
      },
      highest: () => Promise.resolve(null),
    });
  }

  live() {
    return Promise.resolve({
      settled: () => {
        this.onAsked(++this.asked);
        return Promise.reject(new AppError("UNAVAILABLE", "there is no connection"));
      },
      read: () => {
        throw new Error("nobody knows from where on");
      },
    });
  }

  hasLive() {
    return Promise.resolve(true);
  }
}

Deno.test("eventStream() ends for a reader who leaves while NATS is away, and asks it no more", async () => {
  const leaving = new AbortController();
  const sources = new AwaySources((asked) => {
    if (asked === 2) leaving.abort();
    // A stream that asks on and on would leave the test itself no time to fail.
    if (asked > 3) throw new Error("it is asked on and on");
  });
  const stream = eventStream(
    sources,
    { filter: { entityType: null, start: null, end: null }, after: 0n, limit: null, follow: true },
    {
      batchRowsMax: LIMITS.batchRowsMax.value,
      batchBytesMax: LIMITS.batchBytesMax.value,
      rowBytesMax: LIMITS.flightRowBytesMax.value,
      compression: null,
      idleMs: 60_000,
      retryMs: 1,
      signal: leaving.signal,
    },
  );
  await rejects(() => stream.next(), { name: "AppError", code: "CANCELLED" });
});
