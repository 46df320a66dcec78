/** ClickHouse as a destination: what it stores, what it refuses for good, and what it waits out. */

import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { checkClickhouse } from "../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { AppError } from "../lib/errors.ts";
import type { ClickhousePayload } from "./clickhouse_encode.ts";
import type { Refusal, Sink } from "./sink.ts";

export interface ClickhouseSinkOptions {
  readonly clickhouse: Clickhouse;
  readonly retentionDays: number;
  /** It is there, and its tables fit. */
  readonly onConnected?: () => void;
}

/**
 * Inserts Arrow bytes as they are. A repeat is stored, and seen once.
 *
 * What ClickHouse refuses is parked only where the data is at fault: its tables are looked at
 * before, and a user whose rights were taken away, or a fault of the server that has no name, is
 * waited out.
 */
export class ClickhouseSink implements Sink<ClickhousePayload> {
  readonly name = "ClickHouse";
  /** Faults of the server over one insert. */
  private faults = { token: "", count: 0 };

  constructor(private readonly options: ClickhouseSinkOptions) {}

  async connect(signal: AbortSignal): Promise<void> {
    const { clickhouse, onConnected } = this.options;
    await clickhouse.ping(signal);
    await this.check(signal);
    onConnected?.();
  }

  async write(payload: ClickhousePayload, signal: AbortSignal): Promise<Refusal[]> {
    const { clickhouse } = this.options;
    for (let insert; (insert = payload.inserts[payload.stored]); payload.stored++) {
      try {
        // Another token with each try: ClickHouse keeps a token before the rows, and one that was
        // killed between the two would take the next try for a repeat and drop it. What a try stored
        // already is stored twice, and seen once.
        const token = `${insert.token}-${crypto.randomUUID()}`;
        await clickhouse.insertArrow(EVENTS_DATA, insert.pieces, { token, signal });
      } catch (error) {
        if (!await this.isRefused(insert.token, error, signal)) throw error;
        // Several are written again in halves, until it is known which one is bad.
        if (payload.messages > 1) throw error;
        return [{ row: 0, reason: error instanceof Error ? error.message : String(error) }];
      }
    }
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Whether the data is at fault; false: the error says what is, as `deliver` takes it. */
  private async isRefused(token: string, error: unknown, signal: AbortSignal): Promise<boolean> {
    if (!(error instanceof AppError)) return false;
    const { code } = error;
    if (code === "UNAUTHENTICATED" || code === "FORBIDDEN") throw waitingFor(error);
    if (code === "INTERNAL") {
      const count = this.faults.token === token ? this.faults.count + 1 : 1;
      this.faults = { token, count };
      if (count < faultsMax) throw waitingFor(error);
    }
    if (!DATA_FAULTS.has(code)) return false;
    try {
      await this.check(signal);
      return true;
    } catch (cause) {
      throw cause instanceof AppError ? waitingFor(cause) : cause;
    }
  }

  private async check(signal: AbortSignal): Promise<void> {
    const { clickhouse, retentionDays } = this.options;
    await checkClickhouse(clickhouse, { retentionDays }, signal);
  }
}

/** A fault without a name may pass; one that comes so often over the same data does not. */
const faultsMax = 5;

/** With these it is the insert that ClickHouse will not take. */
const DATA_FAULTS: ReadonlySet<string> = new Set([
  "BAD_INPUT",
  "TOO_LARGE",
  "UNSUPPORTED",
  "UNREPRESENTABLE",
  "INTERNAL",
]);

/** The sink connects again, which waits for what passes and ends with what does not. */
function waitingFor(error: AppError): AppError {
  const { message, hint } = error;
  return new AppError("UNAVAILABLE", message, { cause: error, ...hint && { hint } });
}
