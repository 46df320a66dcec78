/** Both encoders on a real server's bytes, read by pyarrow, beside PostgreSQL's own text. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ListField, ResultField } from "../../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { python } from "../../clients/python.ts";
import { testPostgres } from "../../services/postgres.ts";
import { chunk } from "./data_rows.ts";
import { scalar, toArrow, toJson } from "./encode.ts";
import { type Plain, readArrow } from "./read_arrow.ts";
import { jsonOf } from "./same_value.ts";
import { randomOf, RandomShape } from "./shapes.ts";
import { labels, refused, VALUES } from "./values.ts";

const server = await testPostgres();

const settings = "set timezone='UTC'; set intervalstyle='iso_8601'; set datestyle='ISO'";

interface PythonRead {
  readonly schema: string[];
  readonly rows: { [name: string]: Plain }[];
  readonly batches: number[];
}

async function readByPython(stream: Uint8Array): Promise<PythonRead> {
  return JSON.parse(await python(new URL("./read_stream.py", import.meta.url), [], stream));
}

/** The chunks of a query in binary, copied. */
async function rowsOf(sql: string): Promise<RowChunk[]> {
  const database = await openDatabase({
    url: server.url,
    limits: limits(),
    log: createLog("error"),
  });
  try {
    const found: RowChunk[] = [];
    const options = { signal: new AbortController().signal, statementTimeoutMs: 60_000 };
    for await (const one of database.rows([{ text: sql, parameters: [] }], options)) {
      found.push({ ...one, bytes: one.bytes.slice() });
    }
    return found;
  } finally {
    await database.close();
  }
}

Deno.test("the bytes of the table of values are what the server sends", async () => {
  const columns = VALUES.map(({ sql }, i) => `${sql} as c${i}`);
  const [one] = await rowsOf(`select ${columns.join(", ")}`);
  const { bytes, start } = one!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = start + 7;
  for (const { name, type, hex } of VALUES) {
    const length = view.getInt32(at);
    equal(bytes.subarray(at + 4, at + 4 + length).toHex(), hex, `${type.kind} ${name}`);
    at += 4 + length;
  }
});

Deno.test("pyarrow reads every value as the table has it", async () => {
  const cases = VALUES.filter(({ arrow }) => arrow !== refused);
  const fields = cases.map(({ type }, i) => scalar(`c${i}`, type));
  const chunks = await rowsOf(`select ${cases.map(({ sql }, i) => `${sql} as c${i}`).join(", ")}`);
  const { rows } = await readByPython(await toArrow(fields, chunks));
  for (const [i, { name, type, arrow }] of cases.entries()) {
    equal(rows[0]![`c${i}`], arrow, `${type.kind} ${name}`);
  }
});

/** A table with a column of every kind, of which rows are made at random or from special values. */
const every = `
  create temporary view every as
  select n,
    n % 3 = 0 as bool,
    (n * 7919 % 65536 - 32768)::int2 as int2,
    (n::bigint * 2654435761 % 4294967296 - 2147483648)::int4 as int4,
    ('x' || left(md5(n::text), 16))::bit(64)::int8 as int8,
    case n % 40 when 0 then 'NaN' when 1 then '-Infinity'
      else ((hashfloat8(n) / 1e3) * 10 ^ (n % 50 - 25)) end::float4 as float4,
    ((hashfloat8(n) / 7.0) * 10 ^ (n % 300 - 150))::float8 as float8,
    (hashint4(n) / 100.0)::numeric(20, 4) as money,
    (('x' || left(md5(n::text), 16))::bit(64)::int8::numeric * 10000000000000000000
      + n)::numeric(38, 0) as large,
    case n % 50 when 0 then 'NaN' when 1 then 'Infinity' else
      hashint4(n)::numeric * (10::numeric ^ (n % 60 - 30)) end as numeric,
    case when n % 7 = 0 then null else repeat(chr(n % 500 + 1) || '"\\', n % 40) end as text,
    md5(n::text)::uuid as uuid,
    json_build_object('n', n, 'text', chr(n % 500 + 1)) as json,
    jsonb_build_object('n', n, 'list', array[n, null]) as jsonb,
    decode(left(md5(n::text), n % 17 * 2), 'hex') as bytea,
    case when n % 9 = 0 then null else '2000-01-01'::date + hashint4(n) / 900 end as date,
    '00:00'::time + make_interval(secs => abs(hashint4(n)) % 86400 + n % 1000000 / 1e6) as time,
    '2000-01-01'::timestamp + make_interval(days => hashint4(n) / 3000, secs => n * 1.000001)
      as timestamp,
    '2000-01-01'::timestamptz + make_interval(days => hashint4(n) / 3000, secs => n * 0.1)
      as timestamptz,
    make_interval(months => hashint4(n) % 100, days => hashint4(n + 1) % 100,
      secs => hashint4(n + 2) / 1e6) as interval,
    (array['pending', 'paid', 'émoji 😀'])[n % 3 + 1] as enum
  from generate_series(1, 5000) n`;

const types: ResultField[] = [
  scalar("n", "int4", false),
  scalar("bool", "bool"),
  scalar("int2", "int2"),
  scalar("int4", "int4"),
  scalar("int8", "int8"),
  scalar("float4", "float4"),
  scalar("float8", "float8"),
  scalar("money", { kind: "decimal", precision: 20, scale: 4 }),
  scalar("large", { kind: "decimal", precision: 38, scale: 0 }),
  scalar("numeric", "numeric"),
  scalar("text", "text"),
  scalar("uuid", "uuid"),
  scalar("json", "json"),
  scalar("jsonb", "jsonb"),
  scalar("bytea", "bytea"),
  scalar("date", "date"),
  scalar("time", "time"),
  scalar("timestamp", "timestamp"),
  scalar("timestamptz", "timestamptz"),
  scalar("interval", "interval"),
  scalar("enum", { kind: "enum", labels }),
];

/** PostgreSQL's own text of a column as the JSON value that the contract wants. */
function fromText(kind: string, text: unknown): unknown {
  if (text === null) return null;
  const value = text as string;
  switch (kind) {
    case "bool":
      return value === "true";
    case "int2":
    case "int4":
      return Number(value);
    case "float4":
      // Of two texts of equal length and distance PostgreSQL takes the even one.
      return Number.isFinite(Number(value)) ? Math.fround(Number(value)) : null;
    case "float8":
      return Number.isFinite(Number(value)) ? Number(value) : null;
    case "json":
    case "jsonb":
      return JSON.parse(value);
    case "bytea":
      return Uint8Array.fromHex(value.slice(2)).toBase64();
    case "date":
      return expanded(value);
    case "timestamp":
      return expanded(value).replace(" ", "T");
    case "timestamptz":
      return expanded(value).replace(" ", "T").replace("+00", "Z");
    default:
      return value;
  }
}

/** `0044-03-15 BC` as `-000043-03-15`, `12026-01-01` as `+012026-01-01`. */
function expanded(text: string): string {
  const [, years = "", rest = "", era] = /^(\d+)(.*?)( BC)?$/.exec(text)!;
  const year = era ? 1 - Number(years) : Number(years);
  if (year >= 1 && year <= 9999) return years + rest;
  return (year < 0 ? "-" : "+") + String(Math.abs(year)).padStart(6, "0") + rest;
}

Deno.test("5,000 rows of every kind are the same in JSON, in pyarrow and in PostgreSQL's text", async () => {
  const names = types.map(({ name }) => name);
  const query = every.replace("create temporary view every as", "");
  const chunks = await rowsOf(`select ${names.map((name) => `"${name}"`)} from (${query}) every`);
  const json = JSON.parse(`[${toJson(types, chunks)}]`) as Record<string, unknown>[];
  const read = await readByPython(await toArrow(types, chunks));
  const texts = await server.query(
    `${settings}; select ${names.map((name) => `"${name}"::text`)} from (${query}) every`,
  ) as unknown as Record<string, unknown>[][] | Record<string, unknown>[];
  // Several statements in one query give the rows of each.
  const own = (Array.isArray(texts.at(-1)) ? texts.at(-1) : texts) as Record<string, unknown>[];
  equal(json.length, 5000);
  equal(read.rows.length, 5000);
  equal(own.length, 5000);
  for (const [i, row] of json.entries()) {
    row.float4 = row.float4 === null ? null : Math.fround(row.float4 as number);
    for (const field of types) {
      if (field.kind !== "scalar") continue;
      const { name, type } = field;
      deepEqual(row[name], fromText(type.kind, own[i]![name]), `${name} of row ${i + 1}`);
    }
    const fromArrow = jsonOf(types, read.rows[i]!) as Record<string, unknown>;
    deepEqual(fromArrow, row, `row ${i + 1}`);
  }
});

Deno.test("records and arrays of records come as the server sends them", async () => {
  const order: ListField = {
    kind: "list",
    name: "orders",
    nullable: false,
    item: {
      kind: "object",
      name: "item",
      nullable: false,
      fields: [
        scalar("id", "int8", false),
        scalar("total", { kind: "decimal", precision: 12, scale: 2 }),
        { kind: "list", name: "tags", nullable: true, item: scalar("item", "text") },
        { kind: "constant", name: "__typename", value: "Order" },
        {
          kind: "object",
          name: "user",
          nullable: true,
          fields: [scalar("name", "text"), scalar("born", "date")],
        },
      ],
    },
  };
  const fields: ResultField[] = [scalar("id", "int4", false), order];
  const chunks = await rowsOf(`
    select u, (select array_agg(row(o::int8, (o / 7.0)::numeric(12, 2),
        case when o % 3 = 0 then null when o % 3 = 1 then '{}' else array['a', null, o::text] end,
        case when o % 2 = 0 then row('Ann', '2026-01-01'::date + o) end) order by o)
      from generate_series(u * 100, u * 100 + u % 40 - 1) o)
    from generate_series(1, 3000) u`);
  const json = JSON.parse(`[${toJson(fields, chunks)}]`) as { orders: Record<string, unknown>[] }[];
  const read = await readByPython(await toArrow(fields, chunks));
  deepEqual(read.rows.map((row) => jsonOf(fields, row)), json);
  equal(json.length, 3000);
  deepEqual(json[39]!.orders, []);
  deepEqual(json[2]!.orders[2], {
    id: "302",
    total: "43.14",
    tags: ["a", null, "302"],
    __typename: "Order",
    user: { name: "Ann", born: "2026-10-30" },
  });
});

Deno.test("pyarrow validates random shapes and reads what apache-arrow reads", async () => {
  for (let seed = 1001; seed <= 1012; seed++) {
    const shape = new RandomShape(randomOf(seed));
    const rows = Array.from({ length: 150 }, () => shape.row());
    const stream = await toArrow(shape.fields, [chunk(...rows)], { batchBytesMax: 20_000 });
    const read = await readByPython(stream);
    const other = readArrow(stream);
    deepEqual(read.batches, other.batches, `seed ${seed}`);
    deepEqual(read.rows, other.rows, `seed ${seed}`);
  }
});

Deno.test("pyarrow sees the types that the contract names", async () => {
  const stream = await toArrow(
    [...types, { kind: "constant", name: "__typename", value: "E" }],
    [],
  );
  deepEqual((await readByPython(stream)).schema, [
    "n: int32 not null",
    "bool: bool",
    "int2: int16",
    "int4: int32",
    "int8: int64",
    "float4: float",
    "float8: double",
    "money: decimal128(20, 4)",
    "large: decimal128(38, 0)",
    "numeric: string",
    "text: string",
    "uuid: string",
    "json: extension<arrow.json>",
    "jsonb: extension<arrow.json>",
    "bytea: binary",
    "date: date32[day]",
    "time: time64[us]",
    "timestamp: timestamp[us]",
    "timestamptz: timestamp[us, tz=UTC]",
    "interval: string",
    "enum: dictionary<values=string, indices=int16, ordered=0>",
    "__typename: string not null",
  ]);
});
