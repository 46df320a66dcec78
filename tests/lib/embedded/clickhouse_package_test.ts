import { rejects, strictEqual as equal, throws } from "node:assert/strict";
import { enginePackage, findEngine } from "../../../lib/embedded/clickhouse_package.ts";

Deno.test("enginePackage() names the package of the platform, of one version", () => {
  equal(enginePackage("linux", "x86_64"), "@chdb/lib-linux-x64-gnu@26.7.3-stable.1");
  equal(enginePackage("darwin", "aarch64"), "@chdb/lib-darwin-arm64@26.7.3-stable.1");
});

Deno.test("enginePackage() says what to do where there is none", () => {
  throws(() => enginePackage("windows", "x86_64"), {
    code: "UNSUPPORTED",
    message: "there is no embedded ClickHouse for windows x86_64",
    hint: /^set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server; .* linux x86_64, /,
  });
});

Deno.test("findEngine() says that it downloads, and what to do where it cannot", async () => {
  const lines: string[] = [];
  const name = "no package's name"; // refused before anybody is asked
  await rejects(findEngine({ name, onProgress: (line) => lines.push(line) }), {
    code: "UNAVAILABLE",
    message: `cannot get the npm package ${name}`,
    hint: /set FRAISEQL_CLICKHOUSE_URL/,
  });
  equal(lines.length, 1);
  equal(/540 MB/.test(lines[0] ?? ""), true);
});
