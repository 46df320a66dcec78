import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { checkFormat, readStatement } from "../../../lib/embedded/clickhouse_statement.ts";

const refused: [name: string, sql: string, code?: number][] = [
  ["a function that reads a file", "SELECT file('/etc/passwd')"],
  ["it in other letters", "SELECT FILE('/etc/passwd')"],
  ["it in backquotes", "SELECT `file`('/etc/passwd')"],
  ["it in double quotes", "SELECT \"file\"('/etc/passwd')"],
  ["it with a comment before the bracket", "SELECT file/* */('/etc/passwd')"],
  ["it with a line's comment before the bracket", "SELECT file -- x\n ('/etc/passwd')"],
  ["it as an argument", "SELECT arrayMap(file, ['/etc/passwd'])"],
  ["it in APPLY", "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS a)"],
  ["it behind a text that ends in a backslash", "SELECT '\\\\', file('/etc/passwd')"],
  ["it behind a text with doubled quotes", "SELECT 'a''', file('/etc/passwd')"],
  ["it behind a heredoc", "SELECT $a$ ' $a$, file('/etc/passwd')"],
  ["it behind a heredoc in a heredoc's form", "SELECT $$ $a$ $$, file('/etc/passwd')"],
  ["it behind a comment that ends early", "SELECT /* ' */ file('/etc/passwd') /* ' */"],
  ["it behind a line that begins with a hash", "# '\nSELECT file('/etc/passwd')"],
  ["it behind a shebang", "#! '\nSELECT file('/etc/passwd')"],
  ["it in a DEFAULT", "CREATE TABLE t (a String DEFAULT file('/x')) ENGINE = MergeTree ORDER BY a"],
  ["it in a view", "CREATE VIEW v AS SELECT file('/x')"],
  ["it in a subquery of EXPLAIN", "EXPLAIN SELECT * FROM (SELECT file('/x'))"],
  ["it in a mutation", "ALTER TABLE t UPDATE a = file('/x') WHERE 1"],
  ["an escape in a quoted name", "SELECT `\\x66ile`('/etc/passwd')", 62],
  ["a doubled quote in a quoted name", 'SELECT "fi""le"(1)', 62],
  ["a comment in a comment", "SELECT /* /* */ 1 */ 2", 62],
  ["an open comment", "SELECT 1 /* x", 62],
  ["an open text", "SELECT 'x", 62],
  ["an open quoted name", "SELECT `x", 62],
  ["an open heredoc", "SELECT $a$ x", 62],
  ["typographic quotes", "SELECT ‘a’", 62],
  ["typographic double quotes", "SELECT “file”(1)", 62],
  ["a NUL", "SELECT 1\0; SELECT 2", 62],
  ["letters that are not ASCII outside of quotes", "SELECT ﬁle(1)", 62],
  ["SQL in a text", "SELECT * FROM eval('SELECT 1')"],
  ["columns with defaults in a text", "SELECT * FROM format(CSV, 'a String DEFAULT 1', '')"],
  [
    "data with defaults in a text",
    "INSERT INTO t SELECT * FROM input('a Int8 DEFAULT 1') FORMAT CSV",
  ],
  ["a sink with defaults in a text", "INSERT INTO FUNCTION null('a Int8 DEFAULT 1') SELECT 1"],
  ["a program", "SELECT * FROM executable('x', CSV, 'a Int8')"],
  ["a language model", "SELECT aiGenerate('x', 'y')"],
  ["a language model by its other name", "SELECT AIClassify('x', 'y')"],
  ["a model's file", "SELECT catboostEvaluate('/x', 1)"],
  ["a URL", "SELECT * FROM url('http://127.0.0.1/', CSV)"],
  ["a URL, quoted and in capitals", "SELECT * FROM `URL` ('http://127.0.0.1/', CSV)"],
  ["S3", "SELECT * FROM s3('http://127.0.0.1/a', CSV)"],
  ["another server", "SELECT * FROM remote('127.0.0.1', system.one)"],
  ["another server behind a cluster", "SELECT * FROM cluster('x', system.one)"],
  ["MySQL", "SELECT * FROM mysql('a:1', 'b', 'c', 'd', 'e')"],
  ["PostgreSQL", "SELECT * FROM postgresql('a:1', 'b', 'c', 'd', 'e')"],
  ["JDBC", "SELECT * FROM jdbc('a', 'b', 'c')"],
  ["ODBC", "SELECT * FROM odbc('a', 'b', 'c')"],
  ["a lake of files", "SELECT * FROM icebergLocal('/x')"],
  ["another lake", "SELECT * FROM deltaLake('http://x')"],
  ["data out of a file", "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV"],
  ["data out of a file, in small letters", "insert into t from infile '/etc/passwd' format CSV"],
  ["a result into a file", "SELECT 1 INTO OUTFILE '/tmp/x'"],
  ["a result into a file behind a comment", "SELECT 1 INTO /* */ OUTFILE '/tmp/x'"],
  ["an engine of files", "CREATE TABLE t (a String) ENGINE = File(CSV, '/etc/passwd')"],
  ["an engine without an equals sign", "CREATE TABLE t (a String) ENGINE URL('http://x', CSV)"],
  ["a quoted engine", "CREATE TABLE t (a String) ENGINE = `Kafka`('x')"],
  ["an engine behind a comment", "CREATE TABLE t (a String) ENGINE /* = MergeTree */ = S3('x')"],
  ["an engine in small letters", "create table t (a String) engine = mysql('x')"],
  ["an engine of programs", "CREATE TABLE t (a String) ENGINE = Executable('x', CSV)"],
  ["a database of another server", "CREATE DATABASE d ENGINE = PostgreSQL('x')"],
  [
    "a disk in the settings",
    "CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = web)",
  ],
  ["attached folders", "ATTACH TABLE t FROM '/tmp/x' (a Int8) ENGINE = MergeTree ORDER BY a"],
  ["attached parts", "ALTER TABLE t ATTACH PART 'x'"],
  ["BACKUP", "BACKUP TABLE t TO File('x')"],
  ["RESTORE", "RESTORE TABLE t FROM File('x')"],
  ["SET", "SET max_threads = 1"],
  ["USE", "USE system"],
  ["GRANT", "GRANT ALL ON *.* TO default"],
  ["EXECUTE AS", "EXECUTE AS default SELECT 1"],
  ["two statements", "SELECT 1; SELECT 2", 62],
  ["two statements, the first with a text that ends them", "SELECT ';'; DROP TABLE t", 62],
  ["nothing", " -- a comment\n ; ", 62],
  ["a format with its description in a file", "SELECT 1 FORMAT Template"],
  ["data in such a format", "INSERT INTO t FORMAT CapnProto"],
];

for (const [name, sql, code = 497] of refused) {
  Deno.test(`readStatement() refuses ${name}`, () => {
    throws(() => readStatement(sql), { name: "ClickhouseFault", code });
  });
}

const taken: [name: string, sql: string][] = [
  ["texts that speak of files", "SELECT 'file(1)', 'INTO OUTFILE', 'SELECT 1; SELECT 2'"],
  ["a path into JSON", "SELECT JSONExtractString(data, 'file') FROM fraiseql_events"],
  ["comments that speak of files", "SELECT 1 /* file('x') */ -- INTO OUTFILE '/x'"],
  ["a heredoc", "SELECT $a$ file('x') $a$"],
  ["names that begin so", "SELECT profile, files, url, format_version FROM t"],
  ["a column named engine", "SELECT engine, engine = 'MergeTree' FROM system.tables"],
  ["NULL in brackets", "SELECT a IN (NULL, 1), isNull(a), a IS NULL FROM t"],
  ["letters of all languages in texts and quoted names", "SELECT 'é日', `é` FROM t"],
  ["table functions that make rows", "SELECT * FROM numbers(3), zeros(2)"],
  ["a WITH", "WITH 1 AS a SELECT a"],
  ["brackets first", "(SELECT 1) UNION ALL (SELECT 2)"],
  ["an end", "SELECT 1;"],
];

for (const [name, sql] of taken) {
  Deno.test(`readStatement() takes ${name}`, () => equal(readStatement(sql).kind, "rows"));
}

const read: [sql: string, statement: Partial<ReturnType<typeof readStatement>>][] = [
  ["SELECT 1 FORMAT CSV", { kind: "rows", format: "CSV", awaitsData: false }],
  ["SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", { format: "CSV" }],
  ["SELECT (SELECT format FROM t)", { format: null }],
  ["SHOW TABLES", { kind: "rows" }],
  ["create table t (a Int8) engine = MergeTree order by a", { kind: "other", format: null }],
  ["INSERT INTO t FORMAT ArrowStream", {
    kind: "insert",
    format: "ArrowStream",
    awaitsData: true,
    text: "INSERT INTO t ",
  }],
  ["INSERT INTO t SETTINGS async_insert = 0 FORMAT CSV ;\n", {
    format: "CSV",
    awaitsData: true,
    text: "INSERT INTO t SETTINGS async_insert = 0 ",
  }],
  ["INSERT INTO t VALUES", { format: "Values", awaitsData: true, text: "INSERT INTO t " }],
  ["INSERT INTO t VALUES ('file(1)'); ", { kind: "insert", format: "Values", awaitsData: false }],
  ["INSERT INTO t FORMAT CSV\n1,file(2);SELECT 3", { format: "CSV", awaitsData: false }],
  ["INSERT INTO t (values) SELECT 1", { kind: "insert", format: null, awaitsData: false }],
];

for (const [sql, wanted] of read) {
  Deno.test(`readStatement() reads ${JSON.stringify(sql)}`, () => {
    const statement = readStatement(sql);
    for (const [key, value] of Object.entries(wanted)) {
      deepEqual(statement[key as keyof typeof statement], value, key);
    }
  });
}

Deno.test("readStatement() gives up on more words than anybody writes", () => {
  equal(readStatement(`SELECT ${"1,".repeat(40_000)}1`).kind, "rows");
  throws(() => readStatement(`SELECT ${"1,".repeat(60_000)}1`), { code: 168 });
});

Deno.test("checkFormat() takes the formats that say all themselves", () => {
  for (const format of ["ArrowStream", "JSONEachRow", "CSVWithNames", "RowBinary", "Parquet"]) {
    checkFormat(format);
  }
});
