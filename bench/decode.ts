/** PostgreSQL to record batches alone, without gRPC: our decoder beside the ADBC PostgreSQL driver. */

import { fileURLToPath } from "node:url";
import { preparePython } from "../tests/clients/python.ts";
import { AskedProgram } from "./asked_program.ts";
import { ratios, ratioText, seconds, spread, type Table } from "./figures.ts";
import { inTurn } from "./flight.ts";
import type { Report } from "./main.ts";
import { cpuSeconds } from "./processes.ts";
import { COLUMNS, ourQuery, sqlQuery } from "./queries.ts";
import { note, type Stage } from "./stage.ts";

type Decoder = AskedProgram<{ query: string }, { rows: number; seconds: number }>;

interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Reads the whole table in turn. */
export async function benchDecode(stage: Stage): Promise<Report> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const config = path("../deno.json");
  const ours = ["run", "--allow-all", "--config", config, path("decode_ours.ts"), stage.url];
  const sides: [name: string, program: Decoder, query: string][] = [
    ["fraiseql", new AskedProgram(Deno.execPath(), ours), ourQuery(COLUMNS[12], null)],
    [
      "ADBC",
      new AskedProgram(await preparePython(note), [path("peers/decode_adbc.py"), stage.url]),
      sqlQuery(COLUMNS[12], null),
    ],
  ];
  try {
    const taken: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round <= stage.rounds; round++) {
      for (const side of inTurn(round)) {
        const [name, program, query] = sides[side]!;
        const before = cpuSeconds(program.pid);
        const { rows, seconds } = await program.ask({ query });
        if (rows !== stage.rows) throw new Error(`${name}: ${rows} rows`);
        const sample = { seconds, cpuSeconds: cpuSeconds(program.pid) - before };
        if (round > 0) taken[side].push(sample);
      }
    }
    return { tables: [table(sides.map(([name]) => name), taken)], samples: taken };
  } finally {
    for (const [, program] of sides) await program.stop();
  }
}

function table(names: readonly string[], taken: readonly [Sample[], Sample[]]): Table {
  const [ours, peers] = taken;
  const ratio = (read: (sample: Sample) => number) =>
    ratioText(ratios(ours.map(read), peers.map(read)));
  return {
    title: "Decoding: PostgreSQL's rows to record batches that are dropped, 12 columns",
    columns: ["reader", "time", "CPU of the reader"],
    rows: [
      ...taken.map((samples, side) => [
        names[side] ?? "",
        spread(samples.map((sample) => sample.seconds), seconds),
        spread(samples.map((sample) => sample.cpuSeconds), seconds),
      ]),
      ["ratio", ratio((sample) => sample.seconds), ratio((sample) => sample.cpuSeconds)],
    ],
  };
}
