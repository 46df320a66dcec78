/** A database of one test's own with captured tables. */

import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { currentSnapshot } from "../../../../lib/postgres/change_log.ts";
import {
  type CapturedTable,
  type CaptureRequest,
  listCaptures,
} from "../../../../lib/postgres/change_log/capture.ts";
import { openRegistry } from "../../../../lib/postgres/change_log/migrate.ts";
import type { TestPostgres } from "../../../services/postgres.ts";
import { captured, eventsSince, type Since } from "./captured.ts";

export class Scene {
  private constructor(
    readonly url: string,
    readonly connection: Connection,
    private snapshot: string,
  ) {}

  /** Runs the work in a database with these tables, made by SQL and captured. */
  static async run(
    server: TestPostgres,
    { sql, tables, how }: {
      readonly sql: string;
      readonly tables: readonly string[];
      readonly how?: Partial<CaptureRequest>;
    },
    work: (scene: Scene) => Promise<void>,
  ): Promise<void> {
    const url = await server.createDatabase();
    const connection = await connect({ url });
    try {
      await connection.query(sql);
      await captured(url, tables, how);
      await work(new Scene(url, connection, await currentSnapshot(connection)));
    } finally {
      await connection.close();
      await server.dropDatabase(url);
    }
  }

  /** Runs SQL and gives what the last statement gave. */
  query(sql: string): Promise<(string | null)[][]> {
    return this.connection.query(sql);
  }

  /** The events since the last call. */
  async events(): Promise<Since["events"]> {
    const { events, to } = await eventsSince(this.connection, this.snapshot);
    this.snapshot = to;
    return events;
  }

  /** What `capture list` knows. */
  async list(): Promise<CapturedTable[]> {
    const connection = await connect({ url: this.url });
    try {
      await openRegistry(connection);
      return await listCaptures(connection);
    } finally {
      await connection.close();
    }
  }

  /** The events since the last call, each as `Created 1 {"id":1}`. */
  async said(): Promise<string[]> {
    const events = await this.events();
    return events.map(({ line }) => {
      const changes = line.changes ? ` ${JSON.stringify(line.changes)}` : "";
      return `${line.event_type} ${line.entity_id} ${JSON.stringify(line.data)}${changes}`;
    });
  }
}
