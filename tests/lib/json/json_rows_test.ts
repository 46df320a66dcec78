import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import type { ListField, ResultField } from "../../../lib/arrow/result_field.ts";
import { JsonRows } from "../../../lib/json/json_rows.ts";
import * as data from "../arrow/data_rows.ts";
import { scalar, toJson } from "../arrow/encode.ts";

const fields: readonly ResultField[] = [scalar("id", "int4", false), scalar("due", "date")];
const row = (id: number, due: number | null = null) =>
  data.dataRow(data.int32(id), due === null ? null : data.int32(due));
const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const infinity = 0x7fffffff;

Deno.test("JsonRows gives nothing for no rows", () => {
  const rows = new JsonRows(fields, { unrepresentable: "error" });
  equal(rows.byteLength, 0);
  equal(rows.take().length, 0);
  rows.push(data.chunk());
  equal(rows.take().length, 0);
  equal(rows.rows, 0);
});

Deno.test("JsonRows puts commas between rows, across chunks and takes", () => {
  const rows = new JsonRows(fields, { unrepresentable: "error" });
  rows.push(data.chunk(row(1), row(2)));
  rows.push(data.chunk(row(3)));
  equal(rows.rows, 3);
  equal(rows.byteLength, 59);
  equal(
    decode(rows.take()),
    '{"id":1,"due":null},{"id":2,"due":null},{"id":3,"due":null}',
  );
  equal(rows.byteLength, 0);
  rows.push(data.chunk(row(4)));
  equal(decode(rows.take()), ',{"id":4,"due":null}');
  equal(rows.rows, 4);
});

Deno.test("JsonRows leaves what others have taken as it is, until they release it", () => {
  const [one, other] = [1, 2].map(() => new JsonRows(fields, { unrepresentable: "error" }));
  one!.push(data.chunk(row(1)));
  const taken = one!.take();
  other!.push(data.chunk(row(2), row(3)));
  equal(decode(other!.take()), '{"id":2,"due":null},{"id":3,"due":null}');
  equal(decode(taken), '{"id":1,"due":null}');
  one!.release();
  other!.push(data.chunk(row(4)));
  equal(decode(other!.take()), ',{"id":4,"due":null}');
});

Deno.test("JsonRows goes on after its room was lent to another", () => {
  const [one, other] = [1, 2].map(() => new JsonRows(fields, { unrepresentable: "error" }));
  one!.push(data.chunk(row(1)));
  one!.release();
  other!.push(data.chunk(row(2)));
  one!.push(data.chunk(row(3)));
  equal(decode(other!.take()), '{"id":2,"due":null}');
  equal(decode(one!.take()), ',{"id":3,"due":null}');
});

Deno.test("JsonRows keeps the rows before one that it refuses", () => {
  const rows = new JsonRows(fields, { unrepresentable: "error" });
  throws(() => rows.push(data.chunk(row(1, 0), row(2, 1), row(3, infinity), row(4))), {
    name: "AppError",
    code: "UNREPRESENTABLE",
    message: "column due of row 3 holds infinity, which Date32 cannot hold",
    path: [2, "due"],
  });
  equal(rows.rows, 2);
  equal(decode(rows.take()), '{"id":1,"due":"2000-01-01"},{"id":2,"due":"2000-01-02"}');
});

Deno.test("JsonRows keeps the rows before one whose list has grown the buffer", () => {
  const list: ListField = {
    kind: "list",
    name: "l",
    nullable: false,
    item: scalar("item", "date"),
  };
  const days = Array.from({ length: 5000 }, (_, i) => data.int32(i));
  const good = data.dataRow(data.array(data.int32(0)));
  const bad = data.dataRow(data.array(...days, data.int32(infinity)));
  const rows = new JsonRows([list], { unrepresentable: "error" });
  throws(() => rows.push(data.chunk(good, bad)), { code: "UNREPRESENTABLE", path: [1, "l", 5000] });
  equal(decode(rows.take()), '{"l":["2000-01-01"]}');
});

Deno.test("JsonRows keeps the rows before one that is malformed", () => {
  const rows = new JsonRows(fields, { unrepresentable: "error" });
  const cut = row(2).subarray(0, -1);
  throws(() => rows.push(data.chunk(row(1), cut)), { code: "UNAVAILABLE" });
  equal(decode(rows.take()), '{"id":1,"due":null}');
});

Deno.test("JsonRows writes objects, lists and constants in selection order", () => {
  const nested: ResultField[] = [
    { kind: "constant", name: "__typename", value: 'Us"er' },
    { kind: "object", name: "none", nullable: true, fields: [] },
    {
      kind: "list",
      name: "orders",
      nullable: false,
      item: {
        kind: "object",
        name: "item",
        nullable: false,
        fields: [
          scalar("id", "int8", false),
          { kind: "constant", name: "t", value: "O" },
          { kind: "list", name: "tags", nullable: true, item: scalar("item", "text") },
        ],
      },
    },
    { kind: "constant", name: "last", value: "z" },
  ];
  const order = (id: bigint, tags: data.Value) => data.record(data.int64(id), tags);
  const tags = data.array(data.text('a"'), null);
  equal(
    toJson(nested, [
      data.dataRow(data.record(), data.array(order(1n, tags), order(2n, null))),
      data.dataRow(null, null),
    ]),
    '{"__typename":"Us\\"er","none":{},"orders":[{"id":"1","t":"O","tags":["a\\"",null]},' +
      '{"id":"2","t":"O","tags":null}],"last":"z"},' +
      '{"__typename":"Us\\"er","none":null,"orders":[],"last":"z"}',
  );
  equal(toJson([], [data.dataRow(), data.dataRow()]), "{},{}");
});

Deno.test("JsonRows copies long texts, escaped or not", () => {
  const texts = [
    "x".repeat(1_000_000),
    "\u0001".repeat(300_000),
    '"\\\n'.repeat(100_000),
    "😀é".repeat(50_000),
    "",
    "\u0001".repeat(1023),
    "\u0001".repeat(1024),
  ];
  const rows = texts.map((value) => data.dataRow(data.text(value)));
  const read = JSON.parse(`[${toJson([scalar("t", "text")], rows)}]`) as { t: string }[];
  ok(read.every(({ t }, i) => t === texts[i]));
  equal(read.length, texts.length);
});

Deno.test("JsonRows writes 100 MB of text in one row", () => {
  const bytes = new Uint8Array(100 * 1024 * 1024).fill(0x61);
  const rows = new JsonRows([scalar("t", "text")], { unrepresentable: "error" });
  rows.push(data.chunk(data.dataRow(bytes)));
  const taken = rows.take();
  equal(taken.length, bytes.length + '{"t":""}'.length);
  equal(decode(taken.subarray(-4)), 'aa"}');
});

Deno.test("JsonRows refuses a row above bytesMax, however short it is in binary", () => {
  // A numeric of ten bytes with 131,069 digits.
  const huge = data.hex("00017fff000000000001");
  const list: ListField = {
    kind: "list",
    name: "l",
    nullable: false,
    item: scalar("item", "numeric"),
  };
  const rows = new JsonRows([list], { unrepresentable: "error", bytesMax: 1_000_000 });
  const one = data.dataRow(data.array(huge));
  const many = data.dataRow(data.array(...Array(10).fill(huge)));
  throws(() => rows.push(data.chunk(one, many)), {
    name: "AppError",
    code: "TOO_LARGE",
    message: "row 2 takes more than 1000000 bytes of JSON",
    path: [1],
  });
  equal(rows.rows, 1);
  equal(rows.take().length, 131_069 + '{"l":[""]}'.length);
});

Deno.test("JsonRows has room for every value after one of any length", () => {
  // Keys and values of the most bytes behind texts that fill the buffer to its last byte.
  const wide: ResultField[] = [
    scalar("text", "text"),
    ...Array.from({ length: 40 }, (_, i) => scalar(`${"k".repeat(60)}${i}`, "interval")),
    { kind: "constant", name: "c", value: "\u0001".repeat(500) },
  ];
  const longest = data.hex("8000000000000000" + "80000001" + "80000001");
  for (let length = 0; length < 600; length++) {
    const read = toJson(wide, [
      data.dataRow(data.text("x".repeat(length)), ...Array(40).fill(longest)),
    ]);
    const value = JSON.parse(read) as Record<string, string>;
    equal(value.text!.length, length);
    equal(value.c!.length, 500);
  }
});

Deno.test("JsonRows writes shapes so wide that their code is cut into several functions", () => {
  const wide: ResultField[] = Array.from(
    { length: 600 },
    (_, i) => scalar(`${"k".repeat(30)}${i}`, i % 2 === 0 ? "text" : "date"),
  );
  const value = (i: number, n: number) =>
    i % 2 === 0 ? data.text(`\n${i}.${n}`.repeat(n % 9)) : data.int32(i * 1000 + n);
  const rowOf = (n: number) => data.dataRow(...wide.map((_, i) => value(i, n)));
  const bad = data.dataRow(...wide.map((_, i) => i === 599 ? data.int32(infinity) : value(i, 8)));
  const rows = new JsonRows(wide, { unrepresentable: "error" });
  throws(() => rows.push(data.chunk(...Array.from({ length: 50 }, (_, n) => rowOf(n)), bad)), {
    code: "UNREPRESENTABLE",
    path: [50, wide[599]!.name],
  });
  const read = JSON.parse(`[${decode(rows.take())}]`) as Record<string, string>[];
  equal(read.length, 50);
  for (const [n, values] of read.entries()) {
    equal(Object.keys(values).length, 600);
    equal(values[wide[598]!.name], `\n598.${n}`.repeat(n % 9));
    const day = Date.UTC(2000, 0, 1) + (599_000 + n) * 86_400_000;
    equal(values[wide[599]!.name], new Date(day).toISOString().slice(0, 10));
  }
});

Deno.test("JsonRows finds no shape's code under another's", () => {
  const one = [scalar("a", "int4")];
  const other = [scalar("b", "int4")];
  const bytes = [data.dataRow(data.int32(1))];
  deepEqual([one, other, one, [...one]].map((shape) => toJson(shape, bytes)), [
    '{"a":1}',
    '{"b":1}',
    '{"a":1}',
    '{"a":1}',
  ]);
});
