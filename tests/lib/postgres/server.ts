/**
 * A PostgreSQL of one test file's own, which can be set up each way that a user's may be: TLS,
 * every kind of password, a unix socket, restarts.
 */

import { join } from "node:path";
import { AppError } from "../../../lib/errors.ts";
import { type EmbeddedPostgres, startPostgres } from "../../../lib/embedded/postgres.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { connect, type Connection } from "../../../lib/postgres/connection.ts";

export class TestServer {
  /** Outside of the data, so that other users may use the socket. */
  readonly socketFolder: string;
  #running: EmbeddedPostgres;

  private constructor(
    readonly dataDir: string,
    running: EmbeddedPostgres,
    socketFolder: string,
  ) {
    this.#running = running;
    this.socketFolder = socketFolder;
  }

  /** Starts a server on a folder below `.cache` that nobody uses just now. */
  static async start(): Promise<TestServer> {
    const root = new URL("../../../.cache/", import.meta.url).pathname;
    const socketFolder = await Deno.makeTempDir({ prefix: "pg" });
    await Deno.chmod(socketFolder, 0o777);
    for (let n = 1;; n++) {
      const dataDir = `${root}postgres-wire-${n}`;
      try {
        const server = new TestServer(dataDir, await run(dataDir, socketFolder), socketFolder);
        await server.sql("alter system reset all");
        return server;
      } catch (error) {
        const isTaken = error instanceof AppError && /is in use by process/.test(error.message);
        if (!isTaken || n === 8) throw error;
      }
    }
  }

  /** Of the superuser, by password, without TLS unless it is asked for. */
  get url(): string {
    return this.#running.url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** A URL at this server. */
  at(login: string, rest: string, host = "localhost"): string {
    return `postgres://${login}@${host}:${this.port}/${rest}`;
  }

  connect(): Promise<Connection> {
    return connect({ url: this.url });
  }

  /** Runs SQL as the superuser, on a connection of its own. */
  async sql(text: string): Promise<(string | null)[][]> {
    const connection = await this.connect();
    try {
      return await connection.query(text);
    } finally {
      await connection.close();
    }
  }

  /** Lines of pg_hba.conf before those that are there; the superuser is let in by password. */
  async allow(lines: readonly string[]): Promise<void> {
    const [[path]] = await this.sql("show hba_file") as [[string]];
    const before = await Deno.readTextFile(path);
    const own = "# ours\n" + lines.join("\n") + "\n# theirs\n";
    await Deno.writeTextFile(path, own + before.replace(/^# ours[^]*# theirs\n/, ""));
    await this.#reload();
  }

  /** Turns TLS on with these files. */
  async useTls(files: { cert: string; key: string; ca: string }): Promise<void> {
    const [[folder]] = await this.sql("show data_directory") as [[string]];
    const { uid, gid } = await Deno.stat(folder);
    const names = { cert: "test_cert.pem", key: "test_key.pem", ca: "test_ca.pem" };
    for (const kind of ["cert", "key", "ca"] as const) {
      const path = join(folder, names[kind]);
      await Deno.copyFile(files[kind], path);
      await Deno.chown(path, uid, gid);
      await Deno.chmod(path, 0o600);
    }
    await this.sql(`alter system set ssl_cert_file = '${names.cert}'`);
    await this.sql(`alter system set ssl_key_file = '${names.key}'`);
    await this.sql(`alter system set ssl_ca_file = '${names.ca}'`);
    await this.sql("alter system set ssl = on");
    await this.#reload();
  }

  /** Resolves when sessions that begin from here on have the settings. */
  async #reload(): Promise<void> {
    const loaded = async () => (await this.sql("select pg_conf_load_time()::text"))[0]?.[0];
    const before = await loaded();
    await this.sql("select pg_reload_conf()");
    await until(async () => await loaded() !== before);
  }

  /** Stops and starts again, on the same port. */
  async restart(between: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const { port } = this;
    await this.#running.stop();
    await between();
    this.#running = await run(this.dataDir, this.socketFolder, port);
  }

  async stop(): Promise<void> {
    await this.#running.stop();
    await Deno.remove(this.socketFolder, { recursive: true });
  }
}

function run(dataDir: string, socketFolder: string, port?: number): Promise<EmbeddedPostgres> {
  return startPostgres({
    dataDir,
    log: createLog("error", () => {}),
    durable: false,
    inUseMsMax: 0,
    settings: [`unix_socket_directories=${socketFolder}`],
    ...(port !== undefined && { port }),
  });
}

/** For `openDatabase`: limits, a log that keeps quiet. */
export function quiet(some: Parameters<typeof limits>[0] = {}) {
  return { limits: limits(some), log: createLog("error", () => {}) };
}

/** A port on which nobody listens. */
export function deadPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** Waits until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !await condition(); tries++) {
    if (tries > 1000) throw new Error(`still not: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
