import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import {
  arrowSchemaMessage,
  endOfStream,
  type IpcMessage,
  recordBatches,
  type RecordBatchOptions,
} from "../../../lib/arrow/record_batches.ts";
import type { ListField, ObjectField, ResultField } from "../../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import * as data from "./data_rows.ts";
import { options, scalar, toArrow } from "./encode.ts";
import { readArrow } from "./read_arrow.ts";

const text = [scalar("t", "text", false)];

function textRows(...lengths: number[]): Uint8Array[] {
  return lengths.map((length) => data.dataRow(data.text("x".repeat(length))));
}

/** Kind, rows and body of each message. */
async function messages(
  fields: readonly ResultField[],
  chunks: readonly RowChunk[],
  some: Partial<RecordBatchOptions> = {},
): Promise<Pick<IpcMessage, "kind" | "rows" | "bodyBytes">[]> {
  const seen = [];
  for await (
    const message of recordBatches(fields, data.chunks(...chunks), { ...options, ...some })
  ) {
    const { kind, rows, bodyBytes, body } = message;
    equal(body.reduce((sum, piece) => sum + piece.length, 0), bodyBytes);
    ok(body.every((piece) => piece.length % 8 === 0));
    equal(message.header.length % 8, 0);
    seen.push({ kind, rows, bodyBytes });
  }
  return seen;
}

async function batchRows(
  fields: readonly ResultField[],
  chunks: readonly RowChunk[],
  some: Partial<RecordBatchOptions> = {},
): Promise<number[]> {
  return (await messages(fields, chunks, some)).map(({ rows }) => rows);
}

/** Where a table's field stands, by its number; 0 where it is absent. */
function fieldAt(view: DataView, table: number, field: number): number {
  const vtable = table - view.getInt32(table, true);
  if (4 + 2 * field >= view.getUint16(vtable, true)) return 0;
  const offset = view.getUint16(vtable + 4 + 2 * field, true);
  return offset === 0 ? 0 : table + offset;
}
const followed = (view: DataView, at: number) => at + view.getUint32(at, true);

for (const compression of [null, "lz4", "zstd"] as const) {
  Deno.test(`recordBatches() puts a header's structs at multiples of 8 (${compression ?? "no"} compression)`, async () => {
    const fields = [scalar("e", { kind: "enum", labels: ["a", "b"] }), scalar("t", "text")];
    const rows = [data.dataRow(data.text("a"), data.text("x".repeat(200)))];
    const given = data.chunks(data.chunk(...rows));
    const kinds = [];
    for await (
      const { header, kind } of recordBatches(fields, given, { ...options, compression })
    ) {
      const view = new DataView(header.buffer, header.byteOffset, header.length);
      let table = followed(view, fieldAt(view, followed(view, 0), 2));
      if (kind === "dictionary") table = followed(view, fieldAt(view, table, 1));
      for (const vector of [1, 2]) {
        equal((followed(view, fieldAt(view, table, vector)) + 4) % 8, 0, `${kind} ${vector}`);
      }
      const codec = fieldAt(view, table, 3);
      equal(codec > 0, compression !== null);
      if (codec > 0) {
        const body = followed(view, codec);
        equal(view.getUint8(fieldAt(view, body, 0)), compression === "zstd" ? 1 : 0);
      }
      kinds.push(kind);
    }
    deepEqual(kinds, ["dictionary", "batch"]);
  });
}

Deno.test("recordBatches() gives nothing for no rows", async () => {
  deepEqual(await messages(text, []), []);
  deepEqual(await messages(text, [data.chunk()]), []);
});

Deno.test("recordBatches() closes a batch at batchRowsMax rows, wherever chunks end", async () => {
  const rows = textRows(...Array(25).fill(1));
  deepEqual(await batchRows(text, [data.chunk(...rows)], { batchRowsMax: 10 }), [10, 10, 5]);
  deepEqual(
    await batchRows(text, rows.map((row) => data.chunk(row)), { batchRowsMax: 10 }),
    [10, 10, 5],
  );
  deepEqual(await batchRows(text, [data.chunk(...rows)], { batchRowsMax: 25 }), [25]);
  deepEqual(await batchRows(text, [data.chunk(...rows)], { batchRowsMax: 1 }), Array(25).fill(1));
});

Deno.test("recordBatches() begins with small batches, then makes them of 10,000 rows", async () => {
  const rows = data.chunk(...Array(1000).fill(data.dataRow(data.int32(7))));
  const seen = await batchRows([scalar("i", "int4")], Array(1003).fill(rows));
  deepEqual(seen, [1000, 3000, 9000, ...Array(99).fill(10_000)]);
});

Deno.test("recordBatches() closes a batch before its body would pass batchBytesMax", async () => {
  const rows = textRows(...Array(100).fill(100));
  const seen = await messages(text, [data.chunk(...rows)], { batchBytesMax: 2048 });
  ok(seen.every(({ bodyBytes }) => bodyBytes <= 2048));
  // No batch but the last is closed much too early.
  ok(seen.slice(0, -1).every(({ bodyBytes }) => bodyBytes > 2048 - 2 * 104 - 64));
  equal(seen.reduce((sum, { rows }) => sum + rows, 0), 100);
  const read = readArrow(await toArrow(text, [data.chunk(...rows)], { batchBytesMax: 2048 }));
  deepEqual(read.rows, Array(100).fill({ t: "x".repeat(100) }));
});

Deno.test("recordBatches() counts lists of lists in a batch's bytes", async () => {
  const fields: ResultField[] = [{
    kind: "list",
    name: "outer",
    nullable: false,
    item: {
      kind: "object",
      name: "item",
      nullable: false,
      fields: [{ kind: "list", name: "inner", nullable: true, item: scalar("item", "int8") }],
    },
  }];
  const inner = data.array(...Array(7).fill(data.int64(1n)), null);
  const row = data.dataRow(data.array(...Array(9).fill(data.record(inner)), data.record(null)));
  const seen = await messages(fields, [data.chunk(...Array(50).fill(row))], {
    batchBytesMax: 4096,
  });
  ok(seen.length > 5 && seen.every(({ bodyBytes }) => bodyBytes <= 4096));
  const stream = await toArrow(fields, Array(50).fill(row), { batchBytesMax: 4096 });
  const { rows } = readArrow(stream);
  equal(rows.length, 50);
  const item = { inner: [...Array(7).fill("1"), null] };
  for (const read of rows) deepEqual(read, { outer: [...Array(9).fill(item), { inner: null }] });
});

Deno.test("recordBatches() sends a row above batchBytesMax alone", async () => {
  const rows = textRows(10, 5000, 10, 10, 5000, 5000, 10);
  const some = { batchBytesMax: 1024, rowBytesMax: 65536 };
  deepEqual(await batchRows(text, [data.chunk(...rows)], some), [1, 1, 2, 1, 1, 1]);
  const read = readArrow(await toArrow(text, rows, some));
  deepEqual(read.rows.map(({ t }) => (t as string).length), [10, 5000, 10, 10, 5000, 5000, 10]);
});

Deno.test("recordBatches() takes a row up to rowBytesMax and refuses one of 8 bytes more", async () => {
  // Offsets of one text take 8 bytes.
  const some = { batchBytesMax: 1024, rowBytesMax: 65536 };
  deepEqual(await messages(text, [data.chunk(...textRows(1, 65528))], some), [
    { kind: "batch", rows: 1, bodyBytes: 16 },
    { kind: "batch", rows: 1, bodyBytes: 65536 },
  ]);
  const tooLarge = {
    name: "AppError",
    code: "TOO_LARGE",
    message: "row 2 takes more than the 65536 bytes of one Arrow message",
    path: [1],
  };
  await rejects(messages(text, [data.chunk(...textRows(1, 65529))], some), tooLarge);
  // So large that it is refused before it is copied.
  await rejects(messages(text, [data.chunk(...textRows(1, 80_000))], some), tooLarge);
});

Deno.test("recordBatches() refuses a list that alone is too large, before making room", async () => {
  const list: ListField = {
    kind: "list",
    name: "l",
    nullable: false,
    item: {
      kind: "object",
      name: "item",
      nullable: false,
      fields: [
        { kind: "constant", name: "c", value: "c".repeat(100_000) },
      ],
    },
  };
  const row = data.dataRow(data.array(...Array(1000).fill(data.record())));
  const some = { batchBytesMax: 1024, rowBytesMax: 1_000_000 };
  await rejects(messages([list], [data.chunk(row)], some), { code: "TOO_LARGE" });
});

Deno.test("recordBatches() holds the text of numerics that are short in binary to the limit", async () => {
  // 10^131068 takes ten bytes.
  const huge = data.concat(
    data.int16(1),
    data.int16(32767),
    data.int16(0),
    data.int16(0),
    data.int16(1),
  );
  const list: ListField = {
    kind: "list",
    name: "l",
    nullable: false,
    item: scalar("item", "numeric"),
  };
  const row = data.dataRow(data.array(...Array(20).fill(huge)));
  const some = { batchBytesMax: 1024, rowBytesMax: 1_000_000 };
  await rejects(messages([list], [data.chunk(row)], some), { code: "TOO_LARGE" });
  const read = readArrow(await toArrow([scalar("n", "numeric")], [data.dataRow(huge)]));
  equal((read.rows[0]!.n as string).length, 131_069);
});

Deno.test("recordBatches() goes on with small buffers after a large row", async () => {
  const rows = textRows(1, 5_000_000, 1, 3_000_000, 2);
  const read = readArrow(await toArrow(text, rows, { batchBytesMax: 65536 }));
  deepEqual(read.rows.map(({ t }) => (t as string).length), [1, 5_000_000, 1, 3_000_000, 2]);
  deepEqual(read.batches, [1, 1, 1, 1, 1]);
});

Deno.test("recordBatches() sends lists of more than 65,536 elements", async () => {
  const list: ListField = { kind: "list", name: "l", nullable: true, item: scalar("item", "int4") };
  const numbers = Array.from({ length: 70_000 }, (_, i) => i % 1000 === 0 ? null : i);
  const row = data.dataRow(data.array(...numbers.map((n) => n === null ? null : data.int32(n))));
  const read = readArrow(await toArrow([list], [row, data.dataRow(null), row]));
  deepEqual(read.rows, [{ l: numbers }, { l: null }, { l: numbers }]);
});

const order: ObjectField = {
  kind: "object",
  name: "order",
  nullable: true,
  fields: [
    { kind: "constant", name: "__typename", value: "Order" },
    scalar("id", "int8", false),
    scalar("note", "text"),
    scalar("status", { kind: "enum", labels: ["new", "paid"] }, false),
    { kind: "list", name: "tags", nullable: false, item: scalar("item", "text") },
    {
      kind: "object",
      name: "user",
      nullable: true,
      fields: [scalar("name", "text", false), { kind: "constant", name: "__typename", value: "U" }],
    },
  ],
};

Deno.test("recordBatches() keeps nulls of each level of objects and lists apart", async () => {
  const user = data.record(data.text("Ann"));
  const full = data.record(
    data.int64(1n),
    data.text("n"),
    data.text("paid"),
    data.array(data.text("a"), null),
    user,
  );
  const bare = data.record(data.int64(2n), null, data.text("new"), null, null);
  const items: ListField = {
    kind: "list",
    name: "orders",
    nullable: false,
    item: { ...order, name: "item", nullable: false },
  };
  const fields: ResultField[] = [order, items];
  const read = readArrow(
    await toArrow(fields, [
      data.dataRow(full, null),
      data.dataRow(null, data.array()),
      data.dataRow(bare, data.array(bare, full)),
      data.dataRow(null, data.array(full)),
    ]),
  );
  const fullRead = {
    __typename: "Order",
    id: "1",
    note: "n",
    status: "paid",
    tags: ["a", null],
    user: { name: "Ann", __typename: "U" },
  };
  const bareRead = {
    __typename: "Order",
    id: "2",
    note: null,
    status: "new",
    tags: [],
    user: null,
  };
  deepEqual(read.rows, [
    { order: fullRead, orders: [] },
    { order: null, orders: [] },
    { order: bareRead, orders: [bareRead, fullRead] },
    { order: null, orders: [fullRead] },
  ]);
});

Deno.test("recordBatches() sends no bytes of earlier batches where values are null", async () => {
  const fields = [scalar("i", "int8"), scalar("d", { kind: "decimal", precision: 38, scale: 0 })];
  const filled = data.dataRow(
    data.int64(-1n),
    data.numeric("99999999999999999999999999999999999999"),
  );
  const bodies: number[][] = [];
  const chunks = data.chunks(data.chunk(filled, data.dataRow(null, null)));
  for await (const { body } of recordBatches(fields, chunks, { ...options, batchRowsMax: 1 })) {
    bodies.push(body.flatMap((piece) => [...piece]));
  }
  // The second batch holds validity, int8, validity, decimal.
  deepEqual(bodies[1], Array(8 + 8 + 8 + 16).fill(0).with(0, 0));
});

Deno.test("recordBatches() repeats constants in every batch", async () => {
  const fields: ResultField[] = [{ kind: "constant", name: "c", value: "odd" }];
  const stream = await toArrow(fields, Array(7).fill(data.dataRow()), { batchRowsMax: 3 });
  const read = readArrow(stream);
  deepEqual(read.batches, [3, 3, 1]);
  deepEqual(read.rows, Array(7).fill({ c: "odd" }));
});

Deno.test("recordBatches() counts rows without columns", async () => {
  deepEqual(await batchRows([], Array(7).fill(data.chunk(data.dataRow())), { batchRowsMax: 5 }), [
    5,
    2,
  ]);
});

Deno.test("recordBatches() sends one dictionary for each enum column first, also for no rows", async () => {
  const color = (name: string) => scalar(name, { kind: "enum", labels: ["red", "grün", ""] });
  const fields: ResultField[] = [
    color("a"),
    { kind: "list", name: "l", nullable: false, item: { ...color("item") } },
    { kind: "object", name: "o", nullable: true, fields: [color("b")] },
  ];
  const row = data.dataRow(
    data.text("grün"),
    data.array(data.text(""), null),
    data.record(data.text("red")),
  );
  const seen = await messages(fields, [data.chunk(row), data.chunk(row)], { batchRowsMax: 1 });
  deepEqual(seen.map(({ kind, rows }) => [kind, rows]), [
    ["dictionary", 3],
    ["dictionary", 3],
    ["dictionary", 3],
    ["batch", 1],
    ["batch", 1],
  ]);
  deepEqual((await messages(fields, [])).map(({ kind }) => kind), Array(3).fill("dictionary"));
  const read = readArrow(await toArrow(fields, [row]));
  deepEqual(read.rows, [{ a: "grün", l: ["", null], o: { b: "red" } }]);
});

Deno.test("recordBatches() gives nothing before the first rows have come", async () => {
  const failing = async function* (): AsyncGenerator<RowChunk> {
    yield await Promise.reject(new Error("no connection"));
  };
  const fields = [scalar("e", { kind: "enum", labels: ["a"] })];
  const iterator = recordBatches(fields, failing(), options);
  await rejects(iterator.next(), /no connection/);
});

Deno.test("recordBatches() ends the rows when it is left early", async () => {
  let ended = false;
  const endless = async function* (): AsyncGenerator<RowChunk> {
    try {
      for (;;) yield await Promise.resolve(data.chunk(...textRows(1)));
    } finally {
      ended = true;
    }
  };
  for await (const _ of recordBatches(text, endless(), { ...options, batchRowsMax: 3 })) break;
  ok(ended);
});

Deno.test("recordBatches() names row, column and path of what cannot be represented", async () => {
  const fields: ResultField[] = [{
    kind: "list",
    name: "orders",
    nullable: false,
    item: { kind: "object", name: "item", nullable: false, fields: [scalar("due", "date")] },
  }];
  const day = (value: number) => data.record(data.int32(value));
  const rows = [
    data.dataRow(data.array(day(0))),
    data.dataRow(data.array(day(0), day(1))),
    data.dataRow(data.array(day(0), day(0x7fffffff))),
  ];
  await rejects(toArrow(fields, rows, { batchRowsMax: 2 }), {
    code: "UNREPRESENTABLE",
    message: "column orders.due of row 3 holds infinity, which Date32 cannot hold",
    path: [2, "orders", 1, "due"],
  });
});

Deno.test("recordBatches() refuses arrays of more than one dimension", async () => {
  const list: ListField = { kind: "list", name: "l", nullable: true, item: scalar("item", "int4") };
  const head = [data.int32(2), data.int32(0), data.int32(23)];
  const grid = data.concat(
    ...head,
    ...[1, 1, 2, 1].map(data.int32),
    ...[4, 7, 4, 8].map(data.int32),
  );
  await rejects(toArrow([list], [data.dataRow(grid)]), {
    code: "UNREPRESENTABLE",
    message: "column l of row 1 holds an array of more than one dimension, which no List holds",
  });
  const one = data.dataRow(data.array(data.int32(1)));
  const read = readArrow(
    await toArrow([list], [data.dataRow(grid), one], { unrepresentable: "null" }),
  );
  deepEqual(read.rows, [{ l: null }, { l: [1] }]);
  // Where the schema says it is never null, it still is an error.
  const never = { ...list, nullable: false };
  await rejects(toArrow([never], [data.dataRow(grid)], { unrepresentable: "null" }), {
    code: "UNREPRESENTABLE",
  });
});

Deno.test("recordBatches() asks to read the schema again for a label it does not know", async () => {
  const fields = [scalar("e", { kind: "enum", labels: ["a", "b"] })];
  await rejects(toArrow(fields, [data.dataRow(data.text("c"))]), {
    code: "UNAVAILABLE",
    message: 'column e of row 1 holds "c", which the enum did not have when the schema was read',
    hint: /refresh the schema/,
  });
});

Deno.test("recordBatches() refuses a null where the schema says never", async () => {
  await rejects(toArrow([scalar("t", "text", false)], [data.dataRow(null)]), {
    code: "UNAVAILABLE",
    message: "column t of row 1 is null, though the schema says it never is",
  });
});

const int8List: ListField = {
  kind: "list",
  name: "l",
  nullable: true,
  item: scalar("item", "int8"),
};
const twoFields: ObjectField = {
  kind: "object",
  name: "o",
  nullable: true,
  fields: [scalar("a", "int4"), scalar("b", "text")],
};
const good = data.dataRow(data.text("abc"));
const falseLength = (row: Uint8Array, at: number, length: number) => {
  const copy = row.slice();
  copy.set(data.int32(length), at);
  return copy;
};

const malformed: [name: string, fields: ResultField[], row: Uint8Array][] = [
  ["too few columns", [scalar("a", "int4"), scalar("b", "int4")], data.dataRow(data.int32(1))],
  ["too many columns", [scalar("a", "int4")], data.dataRow(data.int32(1), data.int32(1))],
  ["columns where there are none", [], data.dataRow(data.int32(1))],
  ["a value that runs over the row", text, falseLength(good, 7, 4)],
  ["a value far longer than the row", text, falseLength(good, 7, 0x7fffffff)],
  ["a value that ends before the row", text, falseLength(good, 7, 2)],
  ["a negative length other than null", text, falseLength(good, 7, -2)],
  ["a message that runs over the chunk", text, falseLength(good, 1, good.length + 50)],
  ["a message shorter than its head", text, falseLength(good, 1, 4)],
  ["a message of length 0", text, falseLength(good, 1, 0)],
  ["a negative message", text, falseLength(good, 1, -1)],
  ["another message", text, data.concat(Uint8Array.of(67), good.subarray(1))],
  ["a cut message", text, good.subarray(0, 6)],
  ["an int4 of 8 bytes", [scalar("a", "int4")], data.dataRow(data.int64(1n))],
  ["an int8 of 4 bytes", [scalar("a", "int8")], data.dataRow(data.int32(1))],
  [
    "an int4 at the end that is cut",
    [scalar("a", "int4")],
    falseLength(data.dataRow(Uint8Array.of(1)), 7, 4),
  ],
  ["a uuid of 15 bytes", [scalar("a", "uuid")], data.dataRow(new Uint8Array(15))],
  ["a numeric of 7 bytes", [scalar("a", "numeric")], data.dataRow(new Uint8Array(7))],
  [
    "a numeric with a false number of digits",
    [scalar("a", "numeric")],
    data.dataRow(data.hex("7fff000000000000")),
  ],
  ["a jsonb of another version", [scalar("a", "jsonb")], data.dataRow(data.hex("027b7d"))],
  ["an empty jsonb", [scalar("a", "jsonb")], data.dataRow(data.hex(""))],
  ["an array of 11 bytes", [int8List], data.dataRow(new Uint8Array(11))],
  [
    "an array with a false count",
    [int8List],
    data.dataRow(falseLength(data.array(data.int64(1n)), 12, 0x7fffffff)),
  ],
  [
    "an array with a negative count",
    [int8List],
    data.dataRow(falseLength(data.array(data.int64(1n)), 12, -1)),
  ],
  [
    "an array of 7 dimensions",
    [int8List],
    data.dataRow(falseLength(data.array(data.int64(1n)), 0, 7)),
  ],
  [
    "an array of -1 dimensions",
    [int8List],
    data.dataRow(falseLength(data.array(data.int64(1n)), 0, -1)),
  ],
  [
    "an array with bytes behind",
    [int8List],
    data.dataRow(data.concat(data.array(data.int64(1n)), Uint8Array.of(0))),
  ],
  [
    "an array whose element runs over",
    [int8List],
    data.dataRow(falseLength(data.array(data.int64(1n)), 20, 0x10000000)),
  ],
  ["a record of other fields", [twoFields], data.dataRow(data.record(data.int32(1)))],
  ["a record of 3 bytes", [twoFields], data.dataRow(new Uint8Array(3))],
  [
    "a record with bytes behind",
    [twoFields],
    data.dataRow(data.concat(data.record(data.int32(1), null), Uint8Array.of(0))),
  ],
  [
    "a record cut in its fields",
    [twoFields],
    data.dataRow(data.record(data.int32(1), data.text("abc")).subarray(0, 20)),
  ],
];

for (const [name, fields, row] of malformed) {
  Deno.test(`recordBatches() refuses ${name}`, async () => {
    // At the end of all bytes, and with other rows behind.
    const end = { statement: 0, bytes: row.slice(), start: 0, end: row.length };
    await rejects(messages(fields, [end]), { name: "AppError", code: "UNAVAILABLE" });
    await rejects(messages(fields, [data.chunk(row, good, good)]), { code: "UNAVAILABLE" });
  });
}

Deno.test("recordBatches() throws or reads, but never hangs, whatever bytes are changed", async () => {
  const fields: ResultField[] = [order, int8List, ...text];
  const row = data.dataRow(
    data.record(
      data.int64(1n),
      data.text("n"),
      data.text("paid"),
      data.array(data.text("a")),
      null,
    ),
    data.array(data.int64(1n), null),
    data.text("t"),
  );
  let refused = 0;
  for (let at = 0; at < row.length; at++) {
    for (const byte of [0, 1, 0x7f, 0xff]) {
      const changed = row.slice();
      changed[at] = byte;
      try {
        await messages(fields, [data.chunk(changed)]);
      } catch (error) {
        equal((error as Error).name, "AppError", `byte ${at} = ${byte}: ${error}`);
        refused++;
      }
    }
  }
  ok(refused > 100);
});

Deno.test("recordBatches() reads shapes so wide that their code is cut into several functions", async () => {
  const fields: ResultField[] = Array.from(
    { length: 600 },
    (_, i) =>
      i % 3 === 0
        ? scalar(`t${i}`, "text")
        : i % 3 === 1
        ? scalar(`n${i}`, "int8", false)
        : { ...int8List, name: `l${i}` },
  );
  const value = (i: number, row: number) =>
    i % 3 === 0
      ? (row % 5 === 0 ? null : data.text(`${i}.${row}`))
      : i % 3 === 1
      ? data.int64(BigInt(i * row))
      : data.array(data.int64(BigInt(row)), null);
  const rows = Array.from(
    { length: 150 },
    (_, row) => data.dataRow(...fields.map((_, i) => value(i, row))),
  );
  const read = readArrow(await toArrow(fields, [data.chunk(...rows)], { batchBytesMax: 200_000 }));
  ok(read.batches.length > 5);
  equal(read.rows.length, 150);
  for (const [row, values] of read.rows.entries()) {
    equal(values.t300, row % 5 === 0 ? null : `300.${row}`);
    equal(values.n598, String(598 * row));
    deepEqual(values.l599, [String(row), null]);
  }
});

Deno.test("arrowSchemaMessage() does not depend on rows and holds names, types and metadata", async () => {
  const fields: ResultField[] = [scalar("j", "jsonb"), order];
  const { schema } = readArrow(await toArrow(fields, []));
  deepEqual(
    schema.fields.map((field) => `${field}`),
    readArrow(await toArrow(fields, [])).schema.fields.map(String),
  );
  equal(schema.fields[0]!.metadata.get("ARROW:extension:name"), "arrow.json");
  equal(schema.fields[0]!.nullable, true);
  const message = arrowSchemaMessage(fields, { total: "5" });
  equal(message.length % 8, 0);
  deepEqual(message, arrowSchemaMessage(fields, { total: "5" }));
  deepEqual([...endOfStream], [255, 255, 255, 255, 0, 0, 0, 0]);
});
