import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { toFile } from "../../flight/to_file.ts";
import type { ResultField } from "../../lib/arrow/result_field.ts";
import * as data from "../lib/arrow/data_rows.ts";
import { scalar } from "../lib/arrow/encode.ts";

async function fileOf(
  format: "csv" | "json",
  fields: readonly ResultField[],
  rows: readonly Uint8Array[],
  rowBytesMax = 1_000_000,
): Promise<string> {
  const options = { format, unrepresentable: "error", compression: null, rowBytesMax } as const;
  let text = "";
  // One row a chunk, so that rows meet the file's ends of pieces.
  for await (
    const { body } of toFile(
      fields,
      data.chunks(...rows.map((row) => data.chunk(row))),
      options,
    )
  ) {
    const offsets = new Int32Array(body[0]!.slice().buffer);
    text += new TextDecoder().decode(body[1]!.subarray(0, offsets[1]));
  }
  return text;
}

const cells: [
  name: string,
  kind: "text" | "json" | "jsonb" | "int4" | "bool" | "float8",
  value: data.Value,
  csv: string,
][] = [
  ["a null text", "text", null, ""],
  ["an empty text", "text", data.text(""), '""'],
  ["a text", "text", data.text("a b é"), "a b é"],
  ["a text with a comma", "text", data.text("a,b"), '"a,b"'],
  ["a text with quotes", "text", data.text('say "a"'), '"say ""a"""'],
  ["a text with line ends", "text", data.text("a\r\nb"), '"a\r\nb"'],
  ["a text with a control character", "text", data.text("\u0001\u001f"), '"\u0001\u001f"'],
  ["a text with a backslash", "text", data.text("\\n"), '"\\n"'],
  ["a text that says null", "text", data.text("null"), "null"],
  ["a text like JSON", "text", data.text('{"a":[1'), '"{""a"":[1"'],
  ["a null of json", "json", null, ""],
  ["json's own null", "json", data.text("null"), '"null"'],
  ["json with blanks around it", "json", data.text(' {"a": "}"} '), '" {""a"": ""}""} "'],
  ["json that is a text", "jsonb", Uint8Array.of(1, 34, 44, 34), '""",""" '.trim()],
  ["an integer", "int4", data.int32(-5), "-5"],
  ["a boolean", "bool", Uint8Array.of(1), "true"],
  ["NaN", "float8", data.float8(NaN), ""],
];

for (const [name, kind, value, csv] of cells) {
  Deno.test(`toFile() writes ${name} as one field of CSV`, async () => {
    const fields = [scalar("a", kind), scalar("b", kind), scalar("c", "int4")];
    const row = data.dataRow(value, value, data.int32(1));
    const line = `${csv},${csv},1\r\n`;
    equal(await fileOf("csv", fields, [row, row]), `a,b,c\r\n${line}${line}`);
  });
}

Deno.test("toFile() writes arrays and composites as JSON text in CSV", async () => {
  const fields: ResultField[] = [
    { kind: "list", name: "tags", nullable: true, item: scalar("item", "text") },
    {
      kind: "object",
      name: "box",
      nullable: true,
      fields: [scalar("x", "int4"), scalar("y", "text")],
    },
  ];
  const row = data.dataRow(
    data.array(data.text("a,]"), null),
    data.record(data.int32(1), data.text('}"')),
  );
  const line = '"[""a,]"",null]","{""x"":1,""y"":""}\\""""}"\r\n';
  equal(await fileOf("csv", fields, [row, data.dataRow(null, null)]), `tags,box\r\n${line},\r\n`);
});

Deno.test("toFile() writes one JSON object a line, the last with its end", async () => {
  const fields = [scalar("a", "text")];
  const rows = ["x", "line\nend", ","].map((text) => data.dataRow(data.text(text)));
  equal(await fileOf("json", fields, rows), '{"a":"x"}\n{"a":"line\\nend"}\n{"a":","}\n');
});

Deno.test("toFile() keeps rows whole over many pieces", async () => {
  const rows = Array.from({ length: 30 }, (_, i) => data.dataRow(data.text(`${i}`.repeat(50_000))));
  const wanted = Array.from({ length: 30 }, (_, i) => `${i}`.repeat(50_000));
  const json = await fileOf("json", [scalar("a", "text")], rows);
  deepEqual(json.split("\n").slice(0, -1).map((line) => JSON.parse(line).a), wanted);
  equal(await fileOf("csv", [scalar("a", "text")], rows), ["a", ...wanted, ""].join("\r\n"));
});

Deno.test("toFile() asks for rows only as its pieces are taken", async () => {
  const row = data.chunk(data.dataRow(data.text("x".repeat(100_000))));
  let asked = 0;
  async function* rows() {
    for (; asked < 1000; asked++) yield await Promise.resolve(row);
  }
  const options = {
    format: "csv",
    unrepresentable: "error",
    compression: null,
    rowBytesMax: 1_000_000,
  } as const;
  const pieces = toFile([scalar("a", "text")], rows(), options);
  for (let taken = 1; taken <= 3; taken++) {
    await pieces.next();
    ok(asked <= 6 * taken, `${asked} rows for ${taken} pieces`);
  }
  await pieces.return(undefined);
});

Deno.test("toFile() of no rows is the head alone", async () => {
  equal(await fileOf("csv", [scalar('a "b"', "text"), scalar("", "text")], []), '"a ""b""",""\r\n');
  equal(await fileOf("json", [scalar("a", "text")], []), "");
});

Deno.test("toFile() refuses a row of more than rowBytesMax as TOO_LARGE", async () => {
  const row = data.dataRow(data.text("x".repeat(600_000)));
  await fileOf("json", [scalar("a", "text")], [row], 200_000);
  await rejects(fileOf("json", [scalar("a", "text")], [row], 10_000), { code: "TOO_LARGE" });
});
