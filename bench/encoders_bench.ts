/**
 * Both encoders beside their plain forms, on the same bytes in memory:
 *
 *     deno run --allow-all bench/encoders_bench.ts
 *
 * Times are this process's CPU time, which a busy machine disturbs less than the clock; rounds of all
 * contestants alternate, the spread is that of the rounds. The plain forms make JavaScript values row
 * by row: `JSON.stringify` for JSON, npm:apache-arrow's own builders for Arrow.
 */

import process from "node:process";
import {
  Bool,
  type DataType,
  Field,
  Float64,
  List,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { recordBatches } from "../lib/arrow/record_batches.ts";
import type { ResultField } from "../lib/arrow/result_field.ts";
import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import { JsonRows } from "../lib/json/json_rows.ts";
import { limits } from "../lib/limits.ts";
import { concat } from "../tests/lib/arrow/data_rows.ts";
import { flatFields, flatRow, nestedFields, nestedRow } from "./encoders_rows.ts";
import { plainRow } from "./encoders_plain.ts";

interface Shape {
  readonly name: string;
  readonly fields: readonly ResultField[];
  readonly values: number;
  readonly rows: number;
  readonly chunks: readonly RowChunk[];
}

type Contestant = readonly [name: string, run: (shape: Shape) => number | Promise<number>];

const { batchRowsMax, batchBytesMax, flightRowBytesMax } = limits();

const CONTESTANTS: readonly Contestant[] = [
  ["Arrow", async ({ fields, chunks }) => {
    let bytes = 0;
    const options = {
      batchRowsMax,
      batchBytesMax,
      rowBytesMax: flightRowBytesMax,
      unrepresentable: "error",
    } as const;
    for await (const message of recordBatches(fields, each(chunks), options)) {
      bytes += message.bodyBytes;
    }
    return bytes;
  }],
  ["Arrow, plain", ({ fields, chunks }) => {
    let bytes = 0;
    for (const chunk of chunks) {
      const rows = plainRows(fields, chunk, (text) => text);
      const vectors = fields.map((field) => [
        field.name,
        vectorFromArray(rows.map((row) => row[field.name]), plainType(field)),
      ]);
      bytes += tableToIPC(new Table(Object.fromEntries(vectors))).length;
    }
    return bytes;
  }],
  ["JSON", ({ fields, chunks }) => {
    let bytes = 0;
    const rows = new JsonRows(fields, { unrepresentable: "error" });
    for (const chunk of chunks) {
      rows.push(chunk);
      if (rows.byteLength > 65_536) bytes += rows.take().length;
    }
    return bytes + rows.take().length;
  }],
  ["JSON, plain", ({ fields, chunks }) => {
    let bytes = 0;
    const encoder = new TextEncoder();
    for (const chunk of chunks) {
      bytes += encoder.encode(JSON.stringify(plainRows(fields, chunk, JSON.parse))).length;
    }
    return bytes;
  }],
];

const rounds = 9;

if (import.meta.main) {
  const shapes = [
    shape("12 columns", flatFields, flatRow, 12, 20_000),
    shape("users with 5 orders of 4 columns", nestedFields, nestedRow, 22, 8_000),
  ];
  print(`${Deno.version.deno ? `Deno ${Deno.version.deno}` : ""}, CPU ns a row, ${rounds} rounds`);
  for (const one of shapes) await race(one);
}

async function race(shape: Shape): Promise<void> {
  const times = CONTESTANTS.map((): number[] => []);
  const bytes: number[] = [];
  // Two rounds to warm up.
  for (let round = -2; round < rounds; round++) {
    for (const [i, [, run]] of CONTESTANTS.entries()) {
      const before = process.cpuUsage().user;
      bytes[i] = await run(shape);
      if (round >= 0) times[i]!.push((process.cpuUsage().user - before) * 1000 / shape.rows);
    }
  }
  print(`\n${shape.name}, ${shape.rows} rows`);
  const medians = times.map((all) => all.toSorted((a, b) => a - b)[rounds >> 1]!);
  for (const [i, [name]] of CONTESTANTS.entries()) {
    const all = times[i]!;
    const [least, most] = [Math.min(...all), Math.max(...all)];
    const perValue = (medians[i]! / shape.values).toFixed(0);
    const ratio = (medians[i]! / medians[i - i % 2]!).toFixed(1);
    print(
      `  ${name.padEnd(14)} median ${medians[i]!.toFixed(0).padStart(6)} (${least.toFixed(0)} to ` +
        `${most.toFixed(0)}), ${perValue} a value, x${ratio}, ${bytes[i]} bytes`,
    );
  }
}

function shape(
  name: string,
  fields: readonly ResultField[],
  row: (i: number) => Uint8Array,
  values: number,
  rows: number,
): Shape {
  const chunks: RowChunk[] = [];
  // About as many as a read of a socket brings.
  for (let i = 0; i < rows; i += 400) {
    const bytes = concat(...Array.from({ length: 400 }, (_, k) => row(i + k)));
    chunks.push({ statement: 0, bytes, start: 0, end: bytes.length });
  }
  return { name, fields, values, rows, chunks };
}

/** What the library's builders take without further work of ours: texts mostly. */
function plainType(field: ResultField): DataType {
  switch (field.kind) {
    case "list":
      return new List(new Field("item", plainType(field.item), true));
    case "object":
      return new Struct(field.fields.map((inner) => new Field(inner.name, plainType(inner), true)));
    case "constant":
      return new Utf8();
    case "scalar":
      if (field.type.kind === "bool") return new Bool();
      return /^(int4|float8)$/.test(field.type.kind) ? new Float64() : new Utf8();
    default:
      return field satisfies never;
  }
}

async function* each(chunks: readonly RowChunk[]): AsyncGenerator<RowChunk> {
  yield* chunks;
}

function plainRows(
  fields: readonly ResultField[],
  chunk: RowChunk,
  json: (text: string) => unknown,
): Record<string, unknown>[] {
  const { bytes, start, end } = chunk;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: Record<string, unknown>[] = [];
  for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) {
    rows.push(plainRow(fields, bytes, view, at + 7, json));
  }
  return rows;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
