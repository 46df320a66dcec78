/**
 * The Flight process from its start to its end: run by a person (`fraiseql flight`), or by `serve`,
 * which then says through standard input when it shall end.
 */

import type { Address } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { type Ask, CONTROL_ENV, lines, parseLine, type Told } from "./control.ts";
import type { FlightServer } from "./server.ts";

export interface FlightProcessOptions {
  /** The configured address; a supervisor can fix the port. */
  readonly address: Address;
  /**
   * Starts the server. `refreshed` is to be called after the action RefreshSchema: it resolves when
   * the parent has read the catalog again too, at once where there is none, and throws
   * `UNAVAILABLE` where the parent could not, or did not in time.
   */
  readonly serve: (address: Address, refreshed: () => Promise<void>) => Promise<FlightServer>;
  /** Reads the catalog again, asked by the parent. */
  readonly refresh: () => Promise<void>;
  /** Gives connections back that lie idle, asked by the parent. */
  readonly giveBack: () => void;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly drainSeconds: number;
  /** How long to wait for the parent to read the catalog; 30 s unless told. */
  readonly parentMsMax?: number;
}

/** Reading the catalog of a large database takes seconds; a client does not wait for ever. */
const parentMsMax = 30_000;

/** Serves until it is told to stop, and has drained; then the caller ends the program. */
export async function runFlightProcess(options: FlightProcessOptions): Promise<void> {
  const control = Deno.env.get(CONTROL_ENV);
  const isControlled = control !== undefined;
  const { hostname, port } = options.address;
  const address = { hostname, port: Number(control) || port };

  const parent = new Parent(options.parentMsMax ?? parentMsMax);
  const stop = Promise.withResolvers<number>();
  // Controlled, the parent decides: a terminal and some service managers signal the whole group,
  // and a child that ended by itself would be started again.
  const onSignal = () => isControlled ? undefined : stop.resolve(options.drainSeconds);
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  try {
    const server = await options.serve(address, async () => {
      if (isControlled) await parent.refreshed();
    });
    tell({ event: "ready", flight: server.url });
    if (isControlled) {
      // Its end is the parent's end, however that came: no orphan stays behind.
      void obey(options, parent, stop.resolve).finally(() => {
        parent.gone();
        stop.resolve(options.drainSeconds);
      });
    }
    await server.stop(await stop.promise);
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
  }
}

/** Tells the parent, where there is one, that PostgreSQL gives this process no connection. */
export function tellStarved(): void {
  if (Deno.env.has(CONTROL_ENV)) tell({ event: "starved" });
}

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** The questions to the parent that it has not answered. */
class Parent {
  private readonly asked = new Map<number, (failure: string | null) => void>();
  private lastId = 0;

  constructor(private readonly msMax: number) {}

  async refreshed(): Promise<void> {
    const id = ++this.lastId;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.asked.set(id, resolve);
    const timer = setTimeout(() => resolve(`has not within ${this.msMax} ms`), this.msMax);
    tell({ event: "refreshed", id });
    const failure = await promise;
    clearTimeout(timer);
    this.asked.delete(id);
    if (failure === null) return;
    throw new AppError("UNAVAILABLE", `Flight has read the catalog again, but HTTP ${failure}`, {
      hint: "the server's log has the reason; do the action RefreshSchema again",
    });
  }

  answer(id: number, isDone: boolean): void {
    this.asked.get(id)?.(isDone ? null : "could not");
  }

  gone(): void {
    for (const resolve of this.asked.values()) resolve("has ended");
  }
}

/** Does what the parent asks, until its end of the line is closed. */
async function obey(
  { refresh, giveBack, metrics, log, drainSeconds }: FlightProcessOptions,
  parent: Parent,
  stop: (drainSeconds: number) => void,
): Promise<void> {
  for await (const line of lines(Deno.stdin.readable)) {
    const asked = parseLine<Ask>(line, "ask");
    switch (asked?.ask) {
      case "metrics":
        tell({ event: "metrics", id: asked.id, values: await metrics.snapshot() });
        break;
      case "refresh":
        // Not awaited: the parent may ask for other things while PostgreSQL is slow.
        void refresh().then(
          () => tell({ event: "done", id: asked.id }),
          (error) => tell({ event: "failed", id: asked.id, message: String(error) }),
        );
        break;
      case "refreshed":
        parent.answer(asked.id, asked.isDone);
        break;
      case "giveBack":
        giveBack();
        break;
      case "stop":
        stop(asked.drainSeconds ?? drainSeconds);
        break;
      default:
        log.warn("control line not understood", { line: line.slice(0, 200) });
    }
  }
}

const encoder = new TextEncoder();

/** In one write, so that lines never mix. */
function tell(told: Told): void {
  const bytes = encoder.encode(JSON.stringify(told) + "\n");
  try {
    let at = 0;
    while (at < bytes.length) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    // The parent is gone; the end of standard input says so too.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
