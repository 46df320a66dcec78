/**
 * `deno task bench [part...] [--rows N] [--rounds N] [--quick] [--json FILE]`: measures us beside
 * peers in the same run. It gets the peers by itself and prints Markdown.
 */

import { parseArgs } from "node:util";
import { benchBridge } from "./bridge_part.ts";
import { benchCapture } from "./capture.ts";
import { benchClickhouse } from "./clickhouse.ts";
import { benchCrowd } from "./crowd.ts";
import { benchDecode } from "./decode.ts";
import { benchEncoders } from "./encoders_part.ts";
import { benchEventHistory } from "./event_history.ts";
import { type Table, toMarkdown } from "./figures.ts";
import { benchFlight } from "./flight.ts";
import { benchHttp } from "./http.ts";
import { benchMemory } from "./memory.ts";
import { benchPublisher } from "./publisher.ts";
import { benchSearch, benchSearchSink } from "./search_part.ts";
import { benchSearchVisible } from "./search_visible.ts";
import { benchSize } from "./sizes.ts";
import { note, openStage, type Stage } from "./stage.ts";

/** A part's tables, and its samples as they were taken. */
export interface Report {
  readonly tables: readonly Table[];
  /** Markdown that is no table. */
  readonly text?: string;
  readonly samples: unknown;
}

const PARTS: Readonly<Record<string, (stage: Stage) => Promise<Report>>> = {
  flight: benchFlight,
  decode: benchDecode,
  http: benchHttp,
  crowd: benchCrowd,
  memory: benchMemory,
  size: benchSize,
  encoders: benchEncoders,
  "event_history": benchEventHistory,
  capture: benchCapture,
  publisher: benchPublisher,
  bridge: benchBridge,
  clickhouse: benchClickhouse,
  search: benchSearch,
  "search-sink": benchSearchSink,
  "search-visible": benchSearchVisible,
};

const usage = `deno task bench [part...] [--rows N] [--rounds N] [--quick] [--json FILE]
parts: ${Object.keys(PARTS).join(" ")} (default: all)`;

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rows: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const unknown = positionals.filter((part) => !(part in PARTS));
  if (values.help || unknown.length > 0) {
    for (const part of unknown) note(`no part ${part}`);
    note(usage);
    Deno.exit(values.help ? 0 : 2);
  }
  const stage = await openStage({
    rows: count("rows", values.rows) ?? (values.quick ? 20_000 : 1_000_000),
    rounds: count("rounds", values.rounds) ?? (values.quick ? 1 : 5),
    quick: values.quick,
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stage.stop().finally(() => Deno.exit(1)));
  }
  try {
    const results: Record<string, unknown> = {};
    say(`${machine()}; ${stage.rows.toLocaleString("en")} rows, ${stage.rounds} rounds\n\n`);
    for (const part of positionals.length > 0 ? positionals : Object.keys(PARTS)) {
      note(`measuring ${part}`);
      const loadBefore = loadNow();
      const { tables, text, samples } = await PARTS[part]!(stage);
      for (const table of tables) say(`${toMarkdown(table)}\n`);
      if (text) say(`${text}\n`);
      say(`The machine's load went from ${loadBefore} to ${loadNow()}.\n\n`);
      results[part] = samples;
      if (values.json) await write(values.json, stage, results);
    }
  } finally {
    await stage.stop();
  }
  Deno.exit(0); // the listeners of signals would keep it running
}

function count(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text.replaceAll(/[_,]/g, ""));
  if (Number.isSafeInteger(value) && value > 0) return value;
  note(`--${name} must be a whole number above 0 (is ${text})\n${usage}`);
  Deno.exit(2);
}

/** After each part, so that a later one that fails takes nothing with it. */
async function write(path: string, { rows, rounds }: Stage, results: object): Promise<void> {
  const facts = { machine: machine(), rows, rounds, ...results };
  await Deno.writeTextFile(path, JSON.stringify(facts, null, 2));
}

/** Programs that wanted a core, on average over the last minute. */
function loadNow(): string {
  return Deno.loadavg()[0]!.toFixed(1);
}

function machine(): string {
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return `${navigator.hardwareConcurrency} cores, ${memory} GiB, ${Deno.build.os} ${Deno.osRelease()}, ` +
    `Deno ${Deno.version.deno}`;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) await main(Deno.args);
