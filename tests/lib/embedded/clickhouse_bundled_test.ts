import { throws } from "node:assert/strict";
import { refuseBundled } from "../../../lib/embedded/clickhouse.ts";

Deno.test("refuseBundled() refuses an engine where all code is one file, and says what to name instead", () => {
  throws(() => refuseBundled("file:///opt/fraiseql/fraiseql.js"), {
    name: "AppError",
    code: "UNSUPPORTED",
    message: "a compiled fraiseql has no embedded ClickHouse",
    hint: /FRAISEQL_CLICKHOUSE_URL.*FRAISEQL_SINKS=none/,
  });
  refuseBundled(new URL("../../../lib/embedded/clickhouse.ts", import.meta.url).href);
});
