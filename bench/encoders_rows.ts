/** Rows for the benches of the encoders: twelve columns of a shop's users, and orders in lists. */

import type { ResultField, ScalarField } from "../lib/arrow/result_field.ts";
import type { ScalarType } from "../lib/arrow/column_types.ts";
import * as data from "../tests/lib/arrow/data_rows.ts";

function field(name: string, type: ScalarType, nullable = true): ScalarField {
  return { kind: "scalar", name, nullable, type, oid: data.anyOid };
}

/** The shape measured since the beginning: 12 columns, 221 MB as 1,000,000 rows. */
export const flatFields: readonly ResultField[] = [
  field("id", { kind: "uuid" }, false),
  field("number", { kind: "int8" }, false),
  field("name", { kind: "text" }, false),
  field("email", { kind: "text" }),
  field("age", { kind: "int4" }, false),
  field("visits", { kind: "int8" }, false),
  field("balance", { kind: "decimal", precision: 12, scale: 2 }, false),
  field("active", { kind: "bool" }, false),
  field("score", { kind: "float8" }),
  field("createdAt", { kind: "timestamptz" }, false),
  field("attributes", { kind: "jsonb" }),
  {
    kind: "list",
    name: "tags",
    nullable: false,
    item: field("item", { kind: "text" }),
  },
];

export function flatRow(i: number): Uint8Array {
  return data.dataRow(
    data.hex((i * 7919).toString(16).padStart(32, "0")),
    data.int64(BigInt(i)),
    data.text(`user number ${i}`),
    i % 10 === 0 ? null : data.text(`user${i}@example.com`),
    data.int32(i % 90),
    data.int64(BigInt(i) * 1_000_003n),
    data.numeric(((i * 37 % 10_000_000) / 100).toFixed(2)),
    Uint8Array.of(i % 3 === 0 ? 1 : 0),
    data.float8(i * 0.37),
    data.int64(BigInt(i) * 60_000_001n + 700_000_000_000_000n),
    i % 5 === 0
      ? null
      : data.concat(Uint8Array.of(1), data.text(`{"a": ${i}, "b": {"c": [1, 2, "${i}"]}}`)),
    data.array(data.text("red"), data.text(`tag${i % 50}`), data.text("longer tag")),
  );
}

/** Users with five orders each. */
export const nestedFields: readonly ResultField[] = [
  field("id", { kind: "uuid" }, false),
  field("name", { kind: "text" }, false),
  {
    kind: "list",
    name: "orders",
    nullable: false,
    item: {
      kind: "object",
      name: "item",
      nullable: false,
      oid: data.anyOid,
      fields: [
        field("id", { kind: "int8" }, false),
        field("status", { kind: "enum", labels: ["pending", "paid", "shipped", "failed"] }, false),
        field("total", { kind: "decimal", precision: 12, scale: 2 }, false),
        field("createdAt", { kind: "timestamptz" }, false),
      ],
    },
  },
];

export function nestedRow(i: number): Uint8Array {
  const statuses = ["pending", "paid", "shipped", "failed"];
  const orders = Array.from({ length: 5 }, (_, k) =>
    data.record(
      data.int64(BigInt(i * 5 + k)),
      data.text(statuses[(i + k) % 4]!),
      data.numeric(((i * 31 + k * 977) % 100_000 / 100).toFixed(2)),
      data.int64(BigInt(i * 5 + k) * 1_000_001n + 700_000_000_000_000n),
    ));
  return data.dataRow(
    data.hex((i * 7919).toString(16).padStart(32, "0")),
    data.text(`user number ${i}`),
    data.array(...orders),
  );
}
