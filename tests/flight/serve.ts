/** A Flight server on a free port with a scripted engine, and a client, for one test. */

import type { EventSources } from "../../flight/event_stream.ts";
import { AppError } from "../../lib/errors.ts";
import { serveFlight } from "../../flight/server.ts";
import { encodeMessage, FLIGHT_DESCRIPTOR, TICKET } from "../../flight/protobuf.ts";
import type { Unrepresentable } from "../../lib/config.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog, type Log } from "../../lib/log.ts";
import { createMetrics, type Metrics } from "../../lib/metrics.ts";
import type { QueryEngine } from "../../lib/query/query_engine.ts";
import type { FakeEngine } from "./fake_engine.ts";
import { type Answer, type CallOptions, RawClient } from "./raw_client.ts";

export interface Served {
  readonly url: string;
  readonly client: RawClient;
  readonly engine: FakeEngine;
  readonly metrics: Metrics;
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
  stop(drainSeconds: number): Promise<void>;
  get(ticket: string | Uint8Array, options?: CallOptions): Promise<Answer>;
}

export interface StartOptions {
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly unrepresentable?: Unrepresentable;
  readonly events?: EventSources;
}

/** Nothing to read events from. */
export const NO_EVENTS: EventSources = {
  history: () => Promise.reject(new AppError("UNAVAILABLE", "no ClickHouse")),
  hasLive: () => Promise.resolve(false),
  live: () => Promise.reject(new AppError("UNSUPPORTED", "no NATS")),
};

/** A Flight server on a free port, in the test's own process. */
export function startFlight(
  engine: QueryEngine,
  { metrics = createMetrics(), ...options }: StartOptions,
): ReturnType<typeof serveFlight> {
  return serveFlight({
    engine,
    address: { hostname: "127.0.0.1", port: 0 },
    metrics,
    unrepresentable: "error",
    events: NO_EVENTS,
    refresh: () => engine.refresh(),
    ...options,
  });
}

/** Serves for the length of the test and leaves nothing behind. */
export async function served(
  engine: FakeEngine,
  test: (served: Served) => Promise<void>,
  some: Partial<Limits> = {},
): Promise<void> {
  const log: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  const server = await startFlight(engine, {
    limits: limits(some),
    log: createLog("debug", (line) => void log.push(JSON.parse(line))),
    metrics,
  });
  const client = new RawClient(server.url);
  try {
    await test({
      url: server.url,
      client,
      engine,
      metrics,
      log,
      stop: (drainSeconds) => server.stop(drainSeconds),
      get: (ticket, options) => client.call("DoGet", ticketBytes(ticket), options),
    });
  } finally {
    client.close();
    await server.stop(0);
  }
}

export function ticketBytes(ticket: string | Uint8Array): Uint8Array {
  return encodeMessage(TICKET, { ticket: toBytes(ticket) });
}

export function command(ticket: string | Uint8Array): Uint8Array {
  return encodeMessage(FLIGHT_DESCRIPTOR, { type: 2, cmd: toBytes(ticket) });
}

const toBytes = (text: string | Uint8Array) =>
  typeof text === "string" ? new TextEncoder().encode(text) : text;

/** Waits for what other parts of the program bring about; fails when it does not come. */
export async function until(
  what: string,
  isThere: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (await isThere()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`did not come: ${what}`);
}

/** One number of the metrics; 0 where it was never counted. */
export async function counted(
  metrics: Metrics,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const metric = (await metrics.snapshot()).find((row) => row.name === name);
  const values = (metric as unknown as
    | { values: { value: number; labels: Record<string, string> }[] }
    | undefined)?.values ?? [];
  const found = values.filter((row) =>
    Object.entries(labels).every(([label, value]) => row.labels[label] === value)
  );
  return found.reduce((sum, row) => sum + row.value, 0);
}
