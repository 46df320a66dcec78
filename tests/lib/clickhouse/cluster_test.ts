/** What `migrate` writes for a cluster, statement by statement: none is at hand to run it on. */

import { deepStrictEqual as deepEqual, match, ok, rejects } from "node:assert/strict";
import type { Clickhouse } from "../../../lib/clickhouse/client.ts";
import { dropClickhouse, migrateClickhouse } from "../../../lib/clickhouse/migrate.ts";
import {
  createData,
  EVENT_COLUMNS,
  EVENTS_DATA,
  KEPT,
  PARTITION_KEY,
  SORTING_KEY,
  VIEW_SETTINGS,
  VIEWS,
} from "../../../lib/clickhouse/tables.ts";

interface Table {
  readonly name: string;
  readonly engine: string;
  readonly comment: string;
  readonly sortingKey: string;
  readonly partitionKey: string;
  readonly create: string;
}

/** Has these tables, and keeps what it is told to do. */
class Cluster {
  readonly statements: string[] = [];
  readonly client: Clickhouse;

  constructor(private readonly tables: readonly Table[], name: string | null = "all") {
    const never = () => {
      throw new Error("nobody asks for this");
    };
    this.client = {
      settings: {
        origin: "http://nowhere.invalid",
        user: "",
        password: "",
        database: "events",
        cluster: name,
      },
      ping: never,
      version: never,
      arrow: never,
      blob: never,
      insertArrow: never,
      command: (sql) => {
        this.statements.push(sql);
        return Promise.resolve();
      },
      rows: <Row>(sql: string) => Promise.resolve(this.rows(sql) as Row[]),
    };
  }

  private rows(sql: string): unknown[] {
    if (sql.includes("system.tables")) return [...this.tables];
    if (sql.includes("system.columns")) {
      return this.tables.flatMap(({ name: table }) =>
        [...EVENT_COLUMNS, KEPT].map(({ name, type }) => ({ table, name, type }))
      );
    }
    if (sql.includes("system.settings")) return VIEW_SETTINGS.map((name) => ({ name }));
    throw new Error(sql);
  }
}

const clustered = { retentionDays: 90, cluster: "all" };

const data = (some: Partial<Table> = {}): Table => ({
  name: EVENTS_DATA,
  engine: "ReplicatedReplacingMergeTree",
  comment: "fraiseql, version 3",
  sortingKey: SORTING_KEY,
  partitionKey: PARTITION_KEY,
  create: createData(clustered),
  ...some,
});

const views = VIEWS.map(({ name }) => ({
  ...data(),
  name,
  engine: "View",
  comment: "fraiseql, version 3",
}));

/** What a statement does and to what, and whether all servers do it. */
const briefly = (sql: string) => /^(.*?)(?: \(|\n| AS\n| SYNC|$)/.exec(sql)?.[1];

const migrations: [name: string, tables: readonly Table[], statements: readonly string[]][] = [
  ["an empty one", [], [
    "CREATE TABLE IF NOT EXISTS `fraiseql_events_data` ON CLUSTER `all`",
    ...VIEWS.map(({ name }) => `CREATE OR REPLACE VIEW \`${name}\` ON CLUSTER \`all\``),
  ]],
  ["one that has all", [data(), ...views], []],
  ["one with views of an earlier version", [
    data(),
    ...views.map((view) => ({ ...view, comment: "fraiseql, version 2" })),
  ], VIEWS.map(({ name }) => `CREATE OR REPLACE VIEW \`${name}\` ON CLUSTER \`all\``)],
  ["one with another retention and other tokens", [
    data({ create: createData({ ...clustered, retentionDays: 30 }).replaceAll("10000", "100") }),
    ...views,
  ], [
    "ALTER TABLE `fraiseql_events_data` ON CLUSTER `all` MODIFY TTL toDateTime",
    "ALTER TABLE `fraiseql_events_data` ON CLUSTER `all` MODIFY SETTING " +
    "replicated_deduplication_window = 10000",
  ]],
];

for (const [name, tables, statements] of migrations) {
  Deno.test(`migrateClickhouse() of a cluster, ${name}, writes statements for all of its servers`, async () => {
    const cluster = new Cluster(tables);
    await migrateClickhouse(cluster.client, { retentionDays: 90 });
    const [database, ...rest] = cluster.statements;
    deepEqual(database, "CREATE DATABASE IF NOT EXISTS `events` ON CLUSTER `all`");
    deepEqual(rest.map((sql) => briefly(sql)?.replace(/toDateTime.*/, "toDateTime")), statements);
    for (const sql of cluster.statements) ok(sql.includes(" ON CLUSTER `all`"), sql);
  });
}

Deno.test("migrateClickhouse() makes a replica that keeps the lowest position, its tokens and the retention", async () => {
  const cluster = new Cluster([]);
  await migrateClickhouse(cluster.client, { retentionDays: 90 });
  const table = cluster.statements.find((sql) => sql.startsWith("CREATE TABLE")) ?? "";
  match(
    table,
    /ENGINE = ReplicatedReplacingMergeTree\('\/clickhouse\/tables\/\{database\}\/\{table\}', '\{replica\}', kept\)/,
  );
  match(table, /replicated_deduplication_window_seconds = 604800/);
  match(table, / \+ 7776000, 4294967295/);
});

for (const version of [1, 2]) {
  Deno.test(`migrateClickhouse() refuses a cluster's table of version ${version} before it changes anything, and says what to do`, async () => {
    const cluster = new Cluster([data({ comment: `fraiseql, version ${version}` }), ...views]);
    await rejects(migrateClickhouse(cluster.client, { retentionDays: 90 }), {
      code: "BAD_INPUT",
      message: new RegExp(
        `is of version ${version}, and a cluster's table is not upgraded by itself: .*INSERT INTO`,
      ),
    });
    deepEqual(cluster.statements.map(briefly), [
      "CREATE DATABASE IF NOT EXISTS `events` ON CLUSTER `all`",
    ]);
  });
}

Deno.test("migrateClickhouse() refuses a table of a cluster that is none", async () => {
  const cluster = new Cluster([data({ engine: "ReplacingMergeTree" })]);
  await rejects(migrateClickhouse(cluster.client, { retentionDays: 90 }), {
    code: "BAD_INPUT",
    message: /has engine ReplacingMergeTree instead of ReplicatedReplacingMergeTree/,
  });
});

Deno.test("migrateClickhouse() makes no table of one server of an earlier replicated one, where no cluster is named", async () => {
  const server = new Cluster([data({ comment: "fraiseql, version 2" })], null);
  await rejects(migrateClickhouse(server.client, { retentionDays: 90 }), {
    code: "BAD_INPUT",
    message: /fraiseql_events_data is replicated, and the URL names no cluster/,
  });
  deepEqual(server.statements, ["CREATE DATABASE IF NOT EXISTS `events`"]);
});

Deno.test("dropClickhouse() removes views and table on all servers of a cluster", async () => {
  const cluster = new Cluster([data(), ...views]);
  await dropClickhouse(cluster.client);
  deepEqual(cluster.statements, [
    ...VIEWS.map(({ name }) => `DROP VIEW IF EXISTS \`${name}\` ON CLUSTER \`all\` SYNC`).reverse(),
    "DROP TABLE IF EXISTS `fraiseql_events_data` ON CLUSTER `all` SYNC",
  ]);
});
