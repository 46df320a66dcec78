/** What the line takes of memory and disk while events go through it. */

import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { STREAM, type StreamName } from "../../lib/events/names.ts";
import { type StreamState, streamState } from "../../lib/events/stream_state.ts";
import { residentBytes } from "../serve/serve.ts";
import { type Line, LINE_WORKERS, type LineWorker } from "./line.ts";

/** Bytes that a worker's process holds, and how many events were in ClickHouse then. */
export interface MemorySample {
  readonly stored: number;
  readonly bytes: Readonly<Record<LineWorker, number>>;
}

/** What lies on the way. */
export interface DiskSample {
  /** Of all tables of schema fraiseql: the log, what it counts of itself, and their indexes. */
  readonly logBytes: number;
  readonly events: StreamState;
  readonly batches: StreamState;
  /** Of nats-server's folder, as the disk has it. */
  readonly natsBytes: number;
}

/** Collects samples until it is stopped. */
export class Samples {
  readonly memory: MemorySample[] = [];
  readonly disk: DiskSample[] = [];
  /** Events in ClickHouse. */
  stored = 0;

  constructor(private readonly line: Line) {}

  /** Looks at memory; so cheap that it can be done often. */
  lookAtMemory(): void {
    const { workers } = this.line;
    const bytes = Object.fromEntries(
      LINE_WORKERS.map((worker) => [worker, residentBytes(workers[worker].pid)]),
    ) as Record<LineWorker, number>;
    this.memory.push({ stored: this.stored, bytes });
  }

  /** Looks at everything on the disk, and how far ClickHouse is. */
  async look(): Promise<DiskSample> {
    const { connection, nats, clickhouse, folders } = this.line;
    const [row] = await connection.query(SCHEMA_BYTES);
    const stream = (name: StreamName) => streamState(nats, name);
    const sample = {
      logBytes: Number(row?.[0]),
      events: await stream(STREAM.events),
      batches: await stream(STREAM.batches),
      natsBytes: folderBytes(folders.nats),
    };
    this.disk.push(sample);
    // As they are stored: what came twice counts twice, and counting costs nothing.
    const [counted] = await clickhouse.rows<{ events: string }>(
      `SELECT count() AS events FROM ${EVENTS_DATA}`,
    );
    this.stored = Number(counted?.events);
    return sample;
  }

  /** The median of what a worker held while so many events had been stored. */
  memoryBetween(worker: LineWorker, from: number, to: number): number {
    const bytes = this.memory
      .filter(({ stored }) => stored >= from && stored <= to)
      .map((sample) => sample.bytes[worker])
      .sort((a, b) => a - b);
    return bytes[Math.floor(bytes.length / 2)] ?? NaN;
  }

  /** The most there ever was. */
  peak(of: (sample: DiskSample) => number): number {
    return Math.max(...this.disk.map(of));
  }

  memoryPeak(worker: LineWorker): number {
    return Math.max(...this.memory.map(({ bytes }) => bytes[worker]));
  }
}

const SCHEMA_BYTES = `
  select sum(pg_total_relation_size(oid)) from pg_class
  where relnamespace = 'fraiseql'::regnamespace and relkind in ('r', 'm')`;

/** Files that go while they are counted are none. */
function folderBytes(path: string): number {
  const entries = orGone(() => [...Deno.readDirSync(path)]) ?? [];
  return entries.reduce((sum, { name, isDirectory }) => {
    const inner = `${path}/${name}`;
    if (isDirectory) return sum + folderBytes(inner);
    // Blocks of 512 bytes: a sparse file takes what is in it.
    return sum + (orGone(() => Deno.lstatSync(inner).blocks) ?? 0) * 512;
  }, 0);
}

function orGone<Result>(look: () => Result): Result | null {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
