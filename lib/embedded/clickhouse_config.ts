/**
 * The engine's configuration files. Its one user has rights in databases whose names begin with
 * `fraiseql` and may look at the engine's own tables; so files, URLs, other servers, users, named
 * collections and most of SYSTEM are refused by the engine itself.
 */

export interface EngineLimits {
  /** Of the whole engine; a query may take three quarters. */
  readonly memoryBytesMax: number;
  readonly querySecondsMax: number;
}

/** The settings that a request may not change: they hold SQL, or would let data be SQL. */
// deno-fmt-ignore: a table reads best as one
const PINNED: readonly (readonly [name: string, value: string | null])[] = [
  ["dialect", null],
  ["additional_table_filters", null],
  ["additional_result_filter", null],
  ["input_format_values_interpret_expressions", "0"],
  ["input_format_values_deduce_templates_of_expressions", "0"],
  ["format_schema", null],
  ["format_schema_source", null],
  ["format_template_row", null],
  ["format_template_resultset", null],
  ["allow_ddl", null],
];

const GRANTS = [
  "GRANT SELECT, SHOW ON system.*",
  "GRANT SELECT, SHOW ON information_schema.*",
  "GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP DATABASE, " +
  "DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, SYSTEM MERGES, SYSTEM TTL MERGES ON fraiseql*.*",
  "GRANT KILL QUERY ON *.*",
];

/** The engine's own settings; `users` is the path of the other file. */
export function engineConfig(users: string, { memoryBytesMax }: EngineLimits): string {
  return `<clickhouse>
  <users_config>${escape(users)}</users_config>
  <max_server_memory_usage>${memoryBytesMax}</max_server_memory_usage>
  <mark_cache_size>${cacheBytesMax}</mark_cache_size>
  <primary_index_cache_size>${cacheBytesMax}</primary_index_cache_size>
  <index_mark_cache_size>${cacheBytesMax}</index_mark_cache_size>
  <mmap_cache_size>100</mmap_cache_size>
</clickhouse>
`;
}

/** Marks and keys of some hundred millions of rows. */
const cacheBytesMax = 64 * 1024 * 1024;

/** Who may what, and the settings of every query. */
export function usersConfig({ memoryBytesMax, querySecondsMax }: EngineLimits): string {
  const queryBytesMax = Math.floor(memoryBytesMax * 0.75);
  const pinned = PINNED.map(([name]) => `<${name}><readonly/></${name}>`).join("");
  const values = PINNED.map(([name, value]) => value === null ? "" : `<${name}>${value}</${name}>`)
    .join("");
  return `<clickhouse>
  <profiles><default>
    <max_execution_time>${querySecondsMax}</max_execution_time>
    <max_memory_usage>${queryBytesMax}</max_memory_usage>
    ${values}
    <constraints>
      <max_execution_time><min>0.001</min><max>${querySecondsMax}</max></max_execution_time>
      <max_memory_usage><min>1</min><max>${queryBytesMax}</max></max_memory_usage>
      ${pinned}
    </constraints>
  </default></profiles>
  <users><default>
    <password></password>
    <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>${GRANTS.map((grant) => `<query>${grant}</query>`).join("")}</grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
