import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { decodeMessage } from "../../flight/protobuf.ts";
import { toFlight } from "../../flight/to_flight.ts";
import type { ResultField } from "../../lib/arrow/result_field.ts";
import type { RowChunk } from "../../lib/arrow/row_chunk.ts";
import { AppError } from "../../lib/errors.ts";
import { arrowSchemaMessage, recordBatches } from "../../lib/arrow/record_batches.ts";
import { people, PEOPLE_FIELDS } from "./fake_engine.ts";

const FLIGHT_DATA = { header: [2, "bytes"], body: [1000, "bytes"] } as const;

const batchesOf = (
  fields: readonly ResultField[],
  chunks: AsyncIterable<RowChunk>,
  batchRowsMax = 10_000,
) =>
  recordBatches(fields, chunks, {
    batchRowsMax,
    batchBytesMax: 2 * 1024 * 1024,
    rowBytesMax: 64 * 1024 * 1024,
    unrepresentable: "error",
  });

/** The messages as `schema`, `dictionary` and `rows` with their sizes. */
async function kinds(
  chunks: AsyncIterable<RowChunk>,
  some: { fields?: readonly ResultField[]; batchRowsMax?: number } = {},
): Promise<string[]> {
  const seen: string[] = [];
  let rows = 0;
  const fields = some.fields ?? PEOPLE_FIELDS;
  const batches = batchesOf(fields, chunks, some.batchRowsMax);
  for await (
    const message of toFlight(() => arrowSchemaMessage(fields), batches, (count) => rows += count)
  ) {
    const bytes = new Uint8Array(message.byteLength);
    message.writeTo(bytes, 0);
    seen.push(headerKind(decodeMessage(FLIGHT_DATA, bytes).header));
  }
  return [...seen, `${rows} rows`];
}

/** The kind of a flatbuffer `Message`: the byte of its field `header_type`. */
function headerKind(header: Uint8Array): string {
  const view = new DataView(header.buffer, header.byteOffset);
  const table = view.getUint32(0, true);
  const vtable = table - view.getInt32(table, true);
  const kind = view.getUint8(table + view.getUint16(vtable + 6, true));
  return ["none", "schema", "dictionary", "batch"][kind] ?? `kind ${kind}`;
}

async function* failing(after: number): AsyncGenerator<RowChunk> {
  yield* people(after);
  throw new AppError("UNAVAILABLE", "PostgreSQL went away");
}

Deno.test("toFlight() gives the schema alone for no rows", async () => {
  deepEqual(await kinds(people(0)), ["schema", "0 rows"]);
});

Deno.test("toFlight() gives the schema before the batches", async () => {
  deepEqual(await kinds(people(5), { batchRowsMax: 2 }), [
    "schema",
    "batch",
    "batch",
    "batch",
    "5 rows",
  ]);
});

Deno.test("toFlight() gives the labels of an enum between schema and batches", async () => {
  const fields: ResultField[] = [
    { kind: "scalar", name: "id", nullable: false, type: { kind: "int4" } },
    { kind: "scalar", name: "name", nullable: true, type: { kind: "enum", labels: ["a"] } },
  ];
  deepEqual(await kinds(people(0), { fields }), ["schema", "dictionary", "0 rows"]);
});

for (const rows of [0, 3]) {
  Deno.test(`toFlight() gives no message when the rows fail after ${rows} of the first batch`, async () => {
    const batches = batchesOf(PEOPLE_FIELDS, failing(rows));
    const messages = toFlight(() => arrowSchemaMessage(PEOPLE_FIELDS), batches, () => {});
    await rejects(() => messages.next(), { code: "UNAVAILABLE" });
  });
}

Deno.test("toFlight() throws after the first batch and does not end well", async () => {
  await rejects(() => kinds(failing(5), { batchRowsMax: 2 }), { code: "UNAVAILABLE" });
});

Deno.test("toFlight() ends the rows when nobody wants more", async () => {
  let ended = false;
  async function* watched() {
    try {
      yield* people(1_000_000);
    } finally {
      ended = true;
    }
  }
  const messages = toFlight(
    () => arrowSchemaMessage(PEOPLE_FIELDS),
    batchesOf(PEOPLE_FIELDS, watched()),
    () => {},
  );
  await messages.next();
  await messages.return(undefined);
  equal(ended, true);
});
