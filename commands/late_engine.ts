/** A query engine that is not there yet: HTTP answers while the database is waited for. */

import { AppError } from "../lib/errors.ts";
import type {
  BatchPlan,
  ExportRequest,
  Plan,
  QueryEngine,
  QueryRequest,
  RunOptions,
  SplitOptions,
  ViewRequest,
} from "../lib/query/query_engine.ts";

/** Throws `UNAVAILABLE` until it is set, and is the engine from then on. */
export class LateEngine implements QueryEngine {
  #engine: QueryEngine | null = null;

  set(engine: QueryEngine): void {
    this.#engine = engine;
  }

  get #there(): QueryEngine {
    if (this.#engine) return this.#engine;
    throw new AppError("UNAVAILABLE", "PostgreSQL has not answered yet", {
      hint: "try again in a moment; /readiness tells what is missing",
      retryAfterSeconds: 1,
    });
  }

  plan(request: QueryRequest): Plan {
    return this.#there.plan(request);
  }

  planView(request: ViewRequest): Plan {
    return this.#there.planView(request);
  }

  planExport(request: ExportRequest): Plan {
    return this.#there.planExport(request);
  }

  planBatch(queries: readonly string[]): BatchPlan {
    return this.#there.planBatch(queries);
  }

  planWord(word: string): Plan {
    return this.#there.planWord(word);
  }

  rows(plan: Plan, options: RunOptions) {
    return this.#there.rows(plan, options);
  }

  current(): Promise<unknown> | null {
    return this.#engine?.current() ?? null;
  }

  async failed(error: unknown, began: number): Promise<unknown> {
    return this.#engine ? await this.#engine.failed(error, began) : error;
  }

  // async, so that what comes too early is a rejected promise
  async split(plan: Plan, options: SplitOptions) {
    return await this.#there.split(plan, options);
  }

  rootLists() {
    return this.#there.rootLists();
  }

  sdl(): string {
    return this.#there.sdl();
  }

  async refresh(): Promise<void> {
    await this.#engine?.refresh();
  }

  // async, so that a ping that is too early is a rejected promise as every other failed ping
  async ping(signal: AbortSignal): Promise<void> {
    await this.#there.ping(signal);
  }
}
