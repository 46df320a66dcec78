/**
 * Ten thousand events from JSON lines to one Arrow IPC stream, beside the plain way by `JSON.parse`
 * and npm:apache-arrow's own builders:
 *
 *     deno run --allow-all bench/bridge_bench.ts
 *
 * Rounds of all contestants alternate; the spread is that of the rounds. The least is what a free
 * core takes.
 */

// deno-lint-ignore-file camelcase -- the names are the events' own

import process from "node:process";
import {
  Dictionary,
  Int32,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { EventColumns } from "../lib/arrow/event_columns.ts";
import { Scan, scanEvents } from "../lib/events/event_scanner.ts";
import { median } from "./figures.ts";
import { shopEvents } from "./shop_events.ts";

const eventCount = 10_000;
const perMessage = 500;
const rounds = 25;
const MiB = 1024 * 1024;

function messages(spaced: boolean): Uint8Array[] {
  const lines = shopEvents(0, eventCount)
    .map((line) => spaced ? line.replace(",", ", ") : line);
  const encoder = new TextEncoder();
  return Array.from(
    { length: eventCount / perMessage },
    (_, n) => encoder.encode(lines.slice(n * perMessage, (n + 1) * perMessage).join("\n") + "\n"),
  );
}

type Contestant = readonly [name: string, run: (all: readonly Uint8Array[]) => number];

const columns = new EventColumns({ rows: eventCount, bytes: 8 * MiB, rowBytes: 8 * MiB });

const CONTESTANTS: readonly Contestant[] = [
  ["scanner", (all) => {
    for (const message of all) scanEvents(columns, new Scan(message), null);
    return columns.take().length;
  }],
  ["JSON.parse alone", (all) => {
    let count = 0;
    for (const message of all) count += parsed(message).length;
    return count;
  }],
  ["JSON.parse and vectorFromArray", (all) => {
    const events = all.flatMap(parsed);
    const text = (name: keyof Parsed) =>
      vectorFromArray(events.map((one) => one[name]), new Utf8());
    const label = (name: keyof Parsed) =>
      vectorFromArray(events.map((one) => one[name]), new Dictionary(new Utf8(), new Int32()));
    const table = new Table({
      event_id: text("id"),
      event_type: label("event_type"),
      entity_type: label("entity_type"),
      entity_id: text("entity_id"),
      timestamp: vectorFromArray(
        events.map(({ timestamp }) => new Date(timestamp)),
        new TimestampMicrosecond("UTC"),
      ),
      data: vectorFromArray(events.map(({ data }) => JSON.stringify(data)), new Utf8()),
      user_id: text("user_id"),
      org_id: text("org_id"),
    });
    return tableToIPC(table).length;
  }],
];

interface Parsed {
  readonly id: string;
  readonly event_type: string;
  readonly entity_type: string;
  readonly entity_id: string;
  readonly timestamp: string;
  readonly data: unknown;
  readonly user_id: string | null;
  readonly org_id: string | null;
}

function parsed(message: Uint8Array): Parsed[] {
  return new TextDecoder().decode(message).trimEnd().split("\n").map((line) => JSON.parse(line));
}

if (import.meta.main) {
  const usual = messages(false);
  const bytes = usual.reduce((sum, { length }) => sum + length, 0) / eventCount;
  print(
    `Deno ${Deno.version.deno}, ${eventCount} events of ${
      bytes.toFixed(0)
    } bytes, ${rounds} rounds`,
  );
  race("as the publisher writes them", usual);
  race("with a space that it does not write", messages(true));
}

function race(what: string, all: readonly Uint8Array[]): void {
  const times = CONTESTANTS.map((): { wall: number[]; cpu: number[] } => ({ wall: [], cpu: [] }));
  for (let round = -5; round < rounds; round++) { // the first to warm up
    for (const [i, [, run]] of CONTESTANTS.entries()) {
      const [wall, cpu] = [performance.now(), process.cpuUsage().user];
      run(all);
      if (round < 0) continue;
      times[i]!.wall.push(performance.now() - wall);
      times[i]!.cpu.push((process.cpuUsage().user - cpu) / 1000);
    }
  }
  print(`\n${what}`);
  const first = median(times[0]!.wall);
  for (const [i, [name]] of CONTESTANTS.entries()) {
    const { wall, cpu } = times[i]!;
    const [middle, least, most] = [median(wall), Math.min(...wall), Math.max(...wall)];
    print(
      `  ${name.padEnd(30)} ${middle.toFixed(1).padStart(6)} ms (${least.toFixed(1)} to ` +
        `${most.toFixed(1)}), ${median(cpu).toFixed(1)} ms of CPU, x${(middle / first).toFixed(1)}`,
    );
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
