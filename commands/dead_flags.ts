/** The flags of `fraiseql dead`. */

import type { Command } from "commander";
import { WORKERS } from "../lib/events/names.ts";

export interface DeadFlags {
  readonly worker?: string;
  readonly reason?: string;
  readonly entity?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Adds the flags that say which parked messages are meant. */
export function addDeadFlags(command: Command): Command {
  return command
    .option("--worker <name>", `of one worker: ${WORKERS.join(", ")}`)
    .option("--reason <text>", "whose reason holds this text")
    .option("--entity <type>", "of one entity type, such as Order")
    .option("--since <moment>", "parked at or after a date or an RFC 3339 time")
    .option("--until <moment>", "parked before a date or an RFC 3339 time")
    .option("--limit <number>", "look at no more than this many (limit dead_list_max)");
}
