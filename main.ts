/**
 * The program. Commands stand in `commands/`; start at `commands/serve.ts` to follow how the parts
 * are put together. (only door to npm:commander, with commands/options.ts)
 */

import { Command, CommanderError } from "commander";
import { addConfigFlags, configOf, withoutValues } from "./commands/options.ts";
import { addDeadFlags } from "./commands/dead_flags.ts";
import { watchNpx } from "./commands/npx_end.ts";
import { answer, say } from "./commands/say.ts";
import { CONTROL_ENV } from "./flight/control.ts";
import { AppError } from "./lib/errors.ts";
import { LIMITS } from "./lib/limits.ts";
import { type Config, snakeCase } from "./lib/config.ts";

/** Exit statuses that scripts can rely on. */
const EXIT = { done: 0, failed: 1, usage: 2 } as const;

type Run = (config: Config, signal: AbortSignal) => Promise<number>;

/** Runs one command and gives the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let status: number = EXIT.done;
  const program = new Command("fraiseql")
    .description("One GraphQL query, as JSON over HTTP and as Arrow over Flight, from PostgreSQL.")
    .version(VERSION)
    .showHelpAfterError("(--help lists what there is)")
    .configureOutput({ writeOut: answer, writeErr: (text) => say(withoutValues(text.trimEnd())) })
    .exitOverride();

  const run = (command: Command, action: (...given: string[]) => Run): Command =>
    addConfigFlags(command).action(async (...given: unknown[]) => {
      const words = given.flat().filter((word) => typeof word === "string");
      const config = configOf(command.opts());
      // Under `serve` the parent decides when Flight ends: a terminal signals both.
      const unlisten = Deno.env.has(CONTROL_ENV) ? () => {} : listen(stop);
      try {
        status = await action(...words)(config, stop.signal);
      } finally {
        unlisten();
      }
    });

  // Each command's code is loaded when it runs: `--help` and `flight` start sooner for it.
  run(
    program.command("serve").description("serve HTTP and Flight, as the topology says"),
    () => async (config, signal) => {
      watchNpx(() => stop.abort(), signal);
      return await (await import("./commands/serve.ts")).serve(config, signal);
    },
  );
  run(
    program.command("flight").description("serve Flight alone, as a process of its own"),
    () => async (config, signal) => (await import("./commands/flight.ts")).flight(config, signal),
  );
  const schema = program.command("schema").description("the GraphQL schema");
  run(
    schema.command("print").description("print the schema file that gives the same API back"),
    () => async (config) => (await import("./commands/schema.ts")).printSchema(config),
  );
  run(
    schema.command("check").argument("[file]", "the schema file (default: FRAISEQL_SCHEMA)")
      .description("check that a schema file fits the database"),
    (file) => async (config) => (await import("./commands/schema.ts")).checkSchema(config, file),
  );
  const sample = program.command("sample").description("sample data");
  const shop = sample.command("shop").description("make the sample shop")
    .option("--orders <number>", "how many orders (default: 10,000)")
    .option("--replace", "drop a shop of another size first, whatever was changed in it");
  run(
    shop,
    () => async (config, signal) =>
      (await import("./commands/sample.ts")).sampleShop(config, shop.opts(), signal),
  );
  const migrate = program.command("migrate")
    .description("make or upgrade what the database must hold for events")
    .option("--down", "remove every trace of it instead");
  run(
    migrate,
    () => async (config, signal) =>
      (await import("./commands/migrate.ts")).migrate(config, migrate.opts(), signal),
  );
  const capture = program.command("capture").description("which tables' writes become events");
  const add = capture.command("add").argument("[table]", "the table, or schema.table")
    .description("capture the writes of a table, or of all tables in a schema, from now on")
    .option("--all-in <schema>", "all tables of this schema that have a key")
    .option("--entity <Name>", "entity type of a table that GraphQL does not expose")
    .option("--key <columns>", "columns that tell rows apart (default: the primary key)")
    .option("--only <columns>", "capture these and the key")
    .option("--except <columns>", "capture all but these and those named like a secret")
    .option("--user-column <column>", "who wrote (default: the setting fraiseql.user_id)")
    .option("--org-column <column>", "whose row it is (default: the setting fraiseql.org_id)")
    .option("--timestamp-column <column>", "the row's own time, for rows that are there already")
    .option("--backfill", "publish the rows that are there too, or go on where that was stopped");
  run(
    add,
    (table) => async (config, signal) =>
      (await import("./commands/capture.ts")).addCapture(config, table, add.opts(), signal),
  );
  run(
    capture.command("list").description("what is captured, and what keeps writes from being so"),
    () => async (config, signal) =>
      (await import("./commands/capture.ts")).listCapture(config, signal),
  );
  const remove = capture.command("remove").argument("[table]", "the table, or schema.table")
    .description("capture the writes of a table no longer").option("--all", "of every table");
  run(
    remove,
    (table) => async (config, signal) =>
      (await import("./commands/capture.ts")).removeCaptures(config, table, remove.opts(), signal),
  );
  const observe = program.command("observe")
    .description("publish the change log to NATS, as a process of its own")
    .option("--start-over <from>", "first or now: do not go on where publishing stopped");
  run(
    observe,
    () => async (config, signal) =>
      (await import("./commands/observe.ts")).observe(config, observe.opts(), signal),
  );
  run(
    program.command("bridge")
      .description("make Arrow record batches of the events in NATS, as a process of its own"),
    () => async (config, signal) => (await import("./commands/bridge.ts")).bridge(config, signal),
  );
  const sink = program.command("sink").description("store events, as a process of its own");
  run(
    sink.command("clickhouse").description("store the record batches in NATS in ClickHouse"),
    () => async (config, signal) =>
      (await import("./commands/sink.ts")).sinkClickhouse(config, signal),
  );
  run(
    sink.command("elasticsearch")
      .description("store events in Elasticsearch, or in the embedded search where none is named"),
    () => async (config, signal) =>
      (await import("./commands/sink.ts")).sinkElasticsearch(config, signal),
  );
  const verify = program.command("verify")
    .description("whether NATS, ClickHouse and search hold exactly the events of the change log")
    .option("--since <moment>", "events from that hour on (default: all)");
  run(
    verify,
    () => async (config, signal) =>
      (await import("./commands/verify.ts")).verifyEvents(config, verify.opts(), signal),
  );
  const bringBack = program.command("replay")
    .description("store once more what a sink's store lost, and nothing else")
    .option("--from <moment>", "events of that time and later")
    .option("--to <moment>", "events before that time")
    .option("--sink <name>", "clickhouse or elasticsearch")
    .option("--entity <type>", "of one entity type, such as Order (default: all)")
    .option("--dry-run", "only count");
  run(
    bringBack,
    () => async (config, signal) =>
      (await import("./commands/replay.ts")).replay(config, bringBack.opts(), signal),
  );
  const stages = program.command("status")
    .description("how far each stage of the event path is")
    .option("--watch", "again every two seconds");
  run(
    stages,
    () => async (config, signal) =>
      (await import("./commands/status.ts")).status(config, stages.opts(), signal),
  );
  run(
    program.command("url").argument(
      "<service>",
      "postgres, nats, nats.<user>, clickhouse or search",
    )
      .description("print the URL of an embedded service, password included"),
    (service) => async (config) =>
      (await import("./commands/url.ts")).printUrl(config, service ?? ""),
  );
  const tail = program.command("tail").description("print events as they come, a line each")
    .option("--entity <type>", "of one entity type, such as Order (default: all)")
    .option("--from <start>", "first, a stream sequence, or a moment (default: now)");
  run(
    tail,
    () => async (config, signal) =>
      (await import("./commands/tail.ts")).tail(config, tail.opts(), signal),
  );
  const dead = program.command("dead").description("what workers refused for good");
  const list = addDeadFlags(dead.command("list").description("list it, oldest first"))
    .option("--json", "as JSON, a line each, contents included");
  run(
    list,
    () => async (config, signal) =>
      (await import("./commands/dead.ts")).listParked(config, list.opts(), signal),
  );
  run(
    dead.command("show").argument("<number>", "from dead list").description("show one whole"),
    (number) => async (config, signal) =>
      (await import("./commands/dead.ts")).showParked(config, number ?? "", signal),
  );
  const replay = addDeadFlags(
    dead.command("replay").argument("[numbers...]", "from dead list")
      .description("give it to its worker once more, and to nobody else"),
  ).option("--all", "all that is parked");
  run(
    replay,
    (...numbers) => async (config, signal) =>
      (await import("./commands/dead.ts")).replayParked(config, numbers, replay.opts(), signal),
  );
  const discard = addDeadFlags(
    dead.command("discard").argument("[numbers...]", "from dead list")
      .description("remove it for good"),
  ).option("--all", "all that is parked");
  run(
    discard,
    (...numbers) => async (config, signal) =>
      (await import("./commands/dead.ts")).discardParked(config, numbers, discard.opts(), signal),
  );
  program.command("limits").description("list every limit with its default and its reason")
    .action(() => answer(limitsText()));

  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    return toStatus(error);
  }
  return status;
}

const VERSION = "0.1.0";

/** SIGTERM and SIGINT abort once; a second one ends the program at once. */
function listen(stop: AbortController): () => void {
  const listener = () => {
    if (stop.signal.aborted) Deno.exit(EXIT.failed);
    stop.abort();
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return () => signals.forEach((signal) => Deno.removeSignalListener(signal, listener));
}

function limitsText(): string {
  const rows = Object.entries(LIMITS).map(([name, { value, min, max, why }]) =>
    `${snakeCase(name).padEnd(34)} ${String(value).padStart(10)}  ${why} (${min} to ${max})\n`
  );
  return rows.join("");
}

function toStatus(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof AppError) {
    say(`fraiseql: ${error.message}`);
    if (error.hint) say(`hint: ${error.hint}`);
    return error.code === "BAD_INPUT" ? EXIT.usage : EXIT.failed;
  }
  say(`fraiseql: unexpected: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.failed;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
