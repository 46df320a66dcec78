/** A PostgreSQL that can be killed. */

import { type EmbeddedPostgres, startPostgres } from "../../../lib/embedded/postgres.ts";
import { createLog } from "../../../lib/log.ts";

const log = createLog("error", () => {});

/** A PostgreSQL that is started again on its port whenever it was killed. */
export class KeptPostgres {
  private constructor(readonly dataDir: string, private server: EmbeddedPostgres) {}

  static async start(dataDir: string): Promise<KeptPostgres> {
    return new KeptPostgres(dataDir, await startPostgres({ dataDir, log }));
  }

  get url(): string {
    return this.server.url;
  }

  async kill(): Promise<void> {
    const { url, pid, exited } = this.server;
    Deno.kill(pid, "SIGKILL");
    await exited;
    this.server = await startPostgres({
      dataDir: this.dataDir,
      log,
      port: Number(new URL(url).port),
    });
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
