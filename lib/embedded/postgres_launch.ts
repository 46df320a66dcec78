/** Starting the server program, and knowing when it is ready. */

import { abortError, AppError } from "../errors.ts";
import type { PostgresBinaries } from "./postgres_binaries.ts";
import { command } from "./postgres_command.ts";
import { choosePort, linesOf } from "./ports_and_lines.ts";
import type { PostgresFolder } from "./postgres_folder.ts";
import { type Server, untilReady } from "./server_process.ts";

export interface LaunchOptions {
  /** This port and no other; otherwise the last start's where it is free, else any. */
  readonly port?: number;
  /** False: data that may be lost with the machine, as tests' may. */
  readonly durable?: boolean;
  /** Settings of PostgreSQL, `name=value`, over ours. */
  readonly settings?: readonly string[];
  /** Ends a server that is not ready yet. */
  readonly signal?: AbortSignal;
}

/** A free port can be taken before PostgreSQL has it; five seconds for what is on its way out. */
const launchTriesMax = 20;
const retryWaitMs = 250;

/** Starts the server; on the last port where it is free, unless told another. */
export async function launch(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  options: LaunchOptions,
  lastPort: number | undefined,
): Promise<Server> {
  let said: string[] = [];
  let preferred = lastPort;
  for (let tries = 1; tries <= launchTriesMax; tries++) {
    const port = choosePort(options.port, preferred);
    const args = ["-D", folder.data, "-p", String(port), ...flags(options)];
    const child = command(folder, binaries.postgres, args, { detached: true }).spawn();
    const lines = linesOf(child.stderr);
    // Nobody is in it yet, and what it replays of its log it replays the next time.
    const end = () => child.kill("SIGQUIT");
    options.signal?.addEventListener("abort", end, { once: true });
    said = await untilReady(lines, isReady);
    options.signal?.removeEventListener("abort", end);
    if (said.length === 0) return { child, port, lines };

    await child.status;
    if (options.signal?.aborted) throw abortError(options.signal);
    const text = said.join("\n");
    if (/could not (bind|create any TCP)/.test(text)) {
      preferred = undefined;
      continue;
    }
    // Left by a killed server whose own children are still on their way out.
    if (!/shared memory block|lock file .* already exists/.test(text)) break;
    await new Promise((done) => setTimeout(done, retryWaitMs));
    if (options.signal?.aborted) throw abortError(options.signal);
  }
  const fatal = said.findLast((line) => /^(FATAL|PANIC)/.test(line)) ?? said.at(-1);
  throw new AppError("UNAVAILABLE", `PostgreSQL does not start: ${fatal}`, {
    hint: `its data is in ${folder.data}; or set DATABASE_URL to a PostgreSQL server`,
    cause: new Error(said.join("\n")),
  });
}

/** How the server is run; they win over what a user wrote into its postgresql.conf. */
const settings: readonly string[] = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=100",
  "shared_buffers=256MB",
  "max_wal_size=2GB",
  // A query whose client has gone ends within a second, also while it sends nothing.
  "client_connection_check_interval=1s",
  // For logical replication of the user's; the level cannot be raised without a restart.
  "wal_level=logical",
  // Its messages come to us, in the words that are looked for below.
  "log_destination=stderr",
  "logging_collector=off",
  "lc_messages=C",
  "log_line_prefix=",
  // Less errors of statements: who sent them is told, and they can hold values of rows.
  "log_min_messages=log",
];

/** Without waiting for the disk. */
const fleeting: readonly string[] = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
];

function flags(options: LaunchOptions): string[] {
  const all = [
    ...settings,
    ...(options.durable ?? true ? [] : fleeting),
    ...(options.settings ?? []),
  ];
  return all.flatMap((setting) => ["-c", setting]);
}

function isReady(line: string): boolean {
  return line.includes("database system is ready to accept connections");
}
