/** Capture and the publisher on PostgreSQL 13, the oldest that is served: the same tests once more. */

import { fileURLToPath } from "node:url";
import { strictEqual as equal } from "node:assert/strict";
import { testNats } from "../../../services/nats.ts";
import { startPostgres13 } from "../../../services/other_postgres.ts";

await testNats();

const tests = ["backfill", "capture", "columns", "limits", "migrate", "parts", "programs"]
  .map((name) => fileURLToPath(new URL(`./${name}_live_test.ts`, import.meta.url)));
const publisher = ["publish", "verify", "ingest"].map((name) =>
  fileURLToPath(new URL(`../../observer/${name}_live_test.ts`, import.meta.url))
);

Deno.test("capture and publishing do the same on PostgreSQL 13", async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-oldest-" });
  await Deno.chmod(dir, 0o755);
  const postgres = await startPostgres13(dir);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--quiet", ...tests, ...publisher],
    env: { TEST_POSTGRES_URL: postgres.url, FRAISEQL_TEST_CASES: "50", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  await postgres.stop();
  await Deno.remove(dir, { recursive: true });
  equal(code, 0, new TextDecoder().decode(stdout));
});
