import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { flatFields, type ScalarField } from "../../../lib/arrow/result_field.ts";

const text = (name: string): ScalarField => ({
  kind: "scalar",
  name,
  nullable: false,
  type: { kind: "text" },
  oid: 25,
});

Deno.test("flatFields() gives each column a name of its own, also without an object in it", () => {
  const names = flatFields([text("cursor"), text("id"), text("cursor")]).map(({ name }) => name);
  deepEqual(names, ["cursor", "id", "cursor_2"]);
});
