/** BatchedQueries on a real server, read by pyarrow. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { withFlight } from "./real.ts";

const postgres = await testPostgres();

Deno.test("BatchedQueries gives the rows of each query under its index, enums too", async () => {
  await withFlight(await postgres.shop(), async ({ python }) => {
    const [paid, none, failed] = await python<{ status: string }[][]>(
      "batched.py",
      "{ orders(where: { status: { eq: paid } }) { id status total } }",
      "{ orders(limit: 0) { id status total } }",
      "{ orders(where: { status: { eq: failed } }, limit: 5) { id status total } }",
    );
    deepEqual([...new Set(paid?.map(({ status }) => status))], ["paid"]);
    equal(none?.length, 0);
    deepEqual(failed?.map(({ status }) => status), Array(5).fill("failed"));
  });
});

Deno.test("BatchedQueries reads all queries in one transaction", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    "create view clocks as select transaction_timestamp()::text as at, pg_sleep(0.01)::text as slept",
    url,
  );
  await withFlight(url, async ({ python }) => {
    const clock = "{ clocks { at slept } }";
    const read = await python<{ at: string }[][]>("batched.py", clock, clock, clock);
    equal(new Set(read.flat().map(({ at }) => at)).size, 1);
    equal(read.flat().length, 3);
  });
});
