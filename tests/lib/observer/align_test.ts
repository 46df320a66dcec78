import { strictEqual as equal, throws } from "node:assert/strict";
import { POSITION_MAX, positionOf } from "../../../lib/arrow/event_columns.ts";
import { nextEpoch } from "../../../lib/observer/align.ts";

Deno.test("nextEpoch() refuses an epoch whose positions would be no Int64", () => {
  equal(nextEpoch(1), 2);
  const { epoch, sequence, rows } = POSITION_MAX;
  equal(nextEpoch(epoch - 1), epoch);
  equal(positionOf(epoch, sequence, rows - 1), 2n ** 63n - 1n);
  throws(() => nextEpoch(epoch), { code: "UNSUPPORTED", message: /an epoch behind 511$/ });
});
