/**
 * The parent's side of the Flight process: starts it, starts it again when it ends unasked, passes
 * on what it tells. Flight has a process of its own, because a client can abort the one that
 * serves it (docs/flight.md); HTTP must not notice.
 */

import { abortError, AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { MetricObject, Metrics } from "../lib/metrics.ts";
import { type Ask, CONTROL_ENV, lines, parseLine, type Told } from "./control.ts";
import { FinalWords } from "./final_words.ts";

export interface SuperviseOptions {
  /** The program and its arguments, e.g. `[Deno.execPath(), "run", ..., "main.ts", "flight"]`. */
  readonly command: readonly string[];
  /** Beside this process's own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A Flight client asked to read the catalog again; it waits until this resolves or throws. */
  readonly onRefreshed: () => void | Promise<void>;
  /** The process gets no connection from PostgreSQL; also called before it is ready. */
  readonly onStarved: () => void;
  /** Ends the start; once it is done, `stop` ends what runs. */
  readonly signal?: AbortSignal;
}

export interface SupervisedFlight {
  /** `grpc://127.0.0.1:50051`; null until the first start, then always the same. */
  url(): string | null;
  /** True while the process answers. */
  ready(): boolean;
  /** The process's metrics; null where there is none, or it does not answer. */
  metrics(): Promise<MetricObject[] | null>;
  /** Has the process read the catalog again; throws `UNAVAILABLE` where it could not. */
  refresh(): Promise<void>;
  /** Has the process give connections back that lie idle. */
  giveBack(): void;
  /** Drains and ends the process, by force when it takes much longer. */
  stop(drainSeconds: number): Promise<void>;
}

/**
 * Starts the Flight process and resolves when it is ready. Throws the child's own message as
 * `BAD_INPUT` when it refuses its configuration, `UNAVAILABLE` when it ends again and again before
 * it was ready, and the signal's reason when it is aborted before: no process is left then.
 */
export async function superviseFlight(options: SuperviseOptions): Promise<SupervisedFlight> {
  const { signal } = options;
  if (signal?.aborted) throw abortError(signal);
  const supervisor = new Supervisor(options);
  // A child that waits for PostgreSQL may do so for a minute, and listens to nobody meanwhile.
  const onAbort = () => void supervisor.stop(0);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await supervisor.start();
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  return supervisor;
}

/** Exit status of a program that refuses its configuration. */
const badConfigurationExit = 2;
/** Tries of the first start; a fault that stays is the person's to see. */
const firstTriesMax = 3;
/** The wait before a restart grows from none to the most while the child keeps ending early. */
const restartWaitMsMin = 100;
const restartWaitMsMax = 5000;
/** A child that ran so long was healthy: its end is a new fault, and restarted at once. */
const healthyMs = 10_000;
/** From start to ready; a child that takes longer hangs. */
const readyMsMax = 60_000;
/** An answer about metrics later than this is of no use to who asked for them. */
const metricsMsMax = 2000;
/** Reading the catalog of a large database takes seconds. */
const refreshMsMax = 60_000;
/** Beyond its drain, the child may take this long to close what it has. */
const stopSlackMs = 2000;

class Supervisor implements SupervisedFlight {
  private child: Child | null = null;
  private known: string | null = null;
  private port = 0;
  private isStopping = false;
  private failures = 0;
  private waiting: { timer: ReturnType<typeof setTimeout>; resolve: () => void } | null = null;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: SuperviseOptions) {}

  url(): string | null {
    return this.known;
  }

  ready(): boolean {
    return this.child?.isReady ?? false;
  }

  async start(): Promise<void> {
    for (let tries = 1;; tries++) {
      const child = this.spawn();
      if (await child.ready) {
        this.running = this.keepRunning(child);
        return;
      }
      const { code, signal } = await child.ended;
      this.endIfStopped();
      const { message, hint } = child.lastWords();
      if (code === badConfigurationExit) {
        throw new AppError("BAD_INPUT", message, hint === null ? {} : { hint });
      }
      if (tries >= firstTriesMax) {
        throw new AppError("UNAVAILABLE", `the Flight process does not start: ${message}`, {
          hint: hint ?? `it ended with ${signal ?? `exit status ${code}`}; see the log above`,
        });
      }
      this.options.log.warn("flight process did not start, starting it again", { said: message });
      await this.wait(restartWaitMsMin * 2 ** tries);
      this.endIfStopped();
    }
  }

  private endIfStopped(): void {
    const { signal } = this.options;
    if (this.isStopping && signal) throw abortError(signal);
  }

  async metrics(): Promise<MetricObject[] | null> {
    try {
      if (!this.child?.isReady) return null;
      const told = await this.child.ask("metrics", metricsMsMax);
      return told.event === "metrics" ? told.values : null;
    } catch {
      return null; // it ended, or is too busy: its metrics come with the next question
    }
  }

  async refresh(): Promise<void> {
    // A child that is being started reads the catalog anyway.
    if (!this.child?.isReady) return;
    const told = await this.child.ask("refresh", refreshMsMax);
    if (told.event === "failed") {
      throw new AppError("UNAVAILABLE", `Flight could not read the catalog: ${told.message}`);
    }
  }

  giveBack(): void {
    if (this.child?.isReady) void this.child.tell({ ask: "giveBack" });
  }

  async stop(drainSeconds: number): Promise<void> {
    this.isStopping = true;
    if (this.waiting) {
      clearTimeout(this.waiting.timer);
      this.waiting.resolve();
    }
    await this.child?.stop(drainSeconds);
    await this.running;
  }

  private async keepRunning(first: Child): Promise<void> {
    for (let child = first;;) {
      const { code, signal } = await child.ended;
      this.child = null;
      if (this.isStopping) return;
      this.failures = child.ranMs() >= healthyMs ? 0 : this.failures + 1;
      const waitMs = this.failures < 2
        ? 0
        : Math.min(restartWaitMsMax, restartWaitMsMin * 2 ** (this.failures - 2));
      this.options.metrics.flightRestarts.inc();
      this.options.log.warn("flight process ended, starting it again", {
        code,
        signal,
        waitMs,
        ...!child.wasReady && { said: child.lastWords().message },
      });
      await this.wait(waitMs);
      if (this.isStopping) return;
      child = this.spawn();
    }
  }

  private spawn(): Child {
    const { command, env, log } = this.options;
    const child = new Child(command, { ...env, [CONTROL_ENV]: String(this.port) }, log, (told) => {
      if (told.event === "ready") {
        this.known = told.flight;
        this.port = Number(new URL(told.flight).port);
        log.info("flight process ready", {
          flight: told.flight,
          pid: child.pid,
          ms: child.ranMs(),
        });
      } else if (told.event === "refreshed") void this.passRefreshed(child, told.id);
      else if (told.event === "starved") this.options.onStarved();
    });
    this.child = child;
    return child;
  }

  private async passRefreshed(child: Child, id: number): Promise<void> {
    let isDone = true;
    try {
      await this.options.onRefreshed();
    } catch (error) {
      isDone = false;
      this.options.log.error("catalog not read again after a Flight client asked", { error });
    }
    await child.tell({ ask: "refreshed", id, isDone });
  }

  private wait(ms: number): Promise<void> {
    if (ms === 0 || this.isStopping) return Promise.resolve();
    return new Promise((resolve) => this.waiting = { timer: setTimeout(resolve, ms), resolve });
  }
}

/** One run of the process. */
class Child {
  isReady = false;
  wasReady = false;
  /** True when it got ready, false when it ended before. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<Deno.CommandStatus>;

  private readonly began = performance.now();
  private readonly process: Deno.ChildProcess;
  private readonly input: WritableStreamDefaultWriter<Uint8Array>;
  private readonly asked = new Map<number, (told: Told) => void>();
  private lastId = 0;
  private readonly words = new FinalWords();

  constructor(
    [program = "", ...args]: readonly string[],
    env: Readonly<Record<string, string>>,
    private readonly log: Log,
    private readonly onTold: (told: Told) => void,
  ) {
    this.process = new Deno.Command(program, {
      args,
      env: childEnv(env),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.input = this.process.stdin.getWriter();
    const ready = Promise.withResolvers<boolean>();
    this.ready = ready.promise;
    const timer = setTimeout(() => {
      this.log.error("flight process does not get ready", { ms: readyMsMax });
      this.kill();
    }, readyMsMax);

    const heard = this.listen((told) => {
      if (told.event === "ready") {
        this.isReady = true;
        this.wasReady = true;
        clearTimeout(timer);
        ready.resolve(true);
      }
      // The ids of `refreshed` are the child's own.
      if (told.event !== "refreshed" && "id" in told) this.asked.get(told.id)?.(told);
      this.onTold(told);
    });
    const passed = this.passErrors();
    this.ended = Promise.all([this.process.status, heard, passed]).then(([status]) => {
      this.isReady = false;
      clearTimeout(timer);
      ready.resolve(false);
      void this.input.close().catch(() => {}); // closed by the process's end already
      for (const [id, answer] of this.asked) {
        answer({ event: "failed", id, message: "the Flight process ended" });
      }
      return status;
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  ranMs(): number {
    return Math.round(performance.now() - this.began);
  }

  /** What it said last on standard error. */
  lastWords(): { message: string; hint: string | null } {
    return this.words.refusal();
  }

  async ask(what: "metrics" | "refresh", msMax: number): Promise<Told> {
    const id = ++this.lastId;
    const { promise, resolve } = Promise.withResolvers<Told>();
    this.asked.set(id, resolve);
    const timer = setTimeout(() => {
      resolve({ event: "failed", id, message: `no answer within ${msMax} ms` });
    }, msMax);
    try {
      await this.send({ ask: what, id });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.asked.delete(id);
    }
  }

  /** What needs no answer. */
  async tell(what: Ask): Promise<void> {
    try {
      await this.send(what);
    } catch {
      // It ended meanwhile, and with it who waited for this.
    }
  }

  async stop(drainSeconds: number): Promise<void> {
    // One that waits for PostgreSQL listens to nobody yet, and has nothing to finish.
    if (!this.isReady) this.kill();
    const timer = setTimeout(() => this.kill(), drainSeconds * 1000 + stopSlackMs);
    try {
      await this.send({ ask: "stop", drainSeconds });
    } catch {
      // It ended in this moment, which is what was wanted.
    }
    await this.ended;
    clearTimeout(timer);
  }

  private async send(ask: Ask): Promise<void> {
    await this.input.write(new TextEncoder().encode(JSON.stringify(ask) + "\n"));
  }

  private kill(): void {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  private async listen(onTold: (told: Told) => void): Promise<void> {
    for await (const line of lines(this.process.stdout)) {
      const told = parseLine<Told>(line, "event");
      if (told) onTold(told);
      else if (line) this.log.warn("flight process printed", { line: line.slice(0, 200) });
    }
  }

  /** Its log lines are ours; their end is kept, since it says why it did not start. */
  private async passErrors(): Promise<void> {
    const encoder = new TextEncoder();
    for await (const line of lines(this.process.stderr)) {
      // Why it does not start is told by who started it: said by both it would stand there twice.
      if (!this.isReady && this.words.take(line)) continue;
      Deno.stderr.writeSync(encoder.encode(`${line}\n`));
    }
  }
}

function childEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  const whole = { ...Deno.env.toObject(), ...env };
  // With it set, TLS of grpc-js on Deno makes handshakes that clients refuse.
  delete whole.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH;
  return whole;
}
