import { match, strictEqual as equal } from "node:assert/strict";
import {
  createData,
  createDatabase,
  createView,
  onCluster,
  VIEWS,
} from "../../../lib/clickhouse/tables.ts";

const single = { retentionDays: 90, cluster: null };
const clustered = { retentionDays: 90, cluster: "all" };

Deno.test("createData() makes a replacing table, by month, with tokens and the retention", () => {
  const sql = createData(single);
  match(sql, /^CREATE TABLE IF NOT EXISTS `fraiseql_events_data` \(/);
  match(sql, /ENGINE = ReplacingMergeTree\(kept\)\nPARTITION BY toYYYYMM\(timestamp\)/);
  match(
    sql,
    /ORDER BY \(entity_type, sipHash64\(ifNull\(org_id, ''\)\) % 16, timestamp, event_id\)/,
  );
  match(sql, / \+ 7776000, /);
  match(sql, /SETTINGS non_replicated_deduplication_window = 10000\n/);
});

Deno.test("createData() makes replicas on a cluster, whose tokens are kept there too", () => {
  const sql = createData(clustered);
  match(sql, /^CREATE TABLE IF NOT EXISTS `fraiseql_events_data` ON CLUSTER `all` \(/);
  match(
    sql,
    /ReplicatedReplacingMergeTree\('\/clickhouse\/tables\/\{database\}\/\{table\}', '\{replica\}', kept\)/,
  );
  match(
    sql,
    /SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800\n/,
  );
});

Deno.test("every statement names the cluster, and none without one", () => {
  equal(createDatabase("db", clustered), "CREATE DATABASE IF NOT EXISTS `db` ON CLUSTER `all`");
  equal(createDatabase("db", single), "CREATE DATABASE IF NOT EXISTS `db`");
  equal(onCluster(clustered), " ON CLUSTER `all`");
  for (const view of VIEWS) {
    match(createView(view, clustered), /^CREATE OR REPLACE VIEW `\w+` ON CLUSTER `all` AS\n/);
    match(createView(view, single), /^CREATE OR REPLACE VIEW `\w+` AS\n/);
  }
});

Deno.test("createView() leaves out the settings that an older server does not know", () => {
  const [events] = VIEWS;
  match(createView(events!, single), /use_skip_indexes_if_final_exact_mode = 0/);
  match(
    createView(events!, single, ["use_skip_indexes_if_final"]),
    /FINAL\nSETTINGS use_skip_indexes_if_final = 1\nCOMMENT/,
  );
  match(createView(events!, single, []), /FINAL\nCOMMENT/);
});
