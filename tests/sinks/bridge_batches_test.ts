import { throws } from "node:assert/strict";
import { POSITION_MAX } from "../../lib/arrow/event_columns.ts";
import { checkPositions } from "../../sinks/bridge_batches.ts";

Deno.test("checkPositions() refuses what would be no Int64, and the batch behind the last", () => {
  const { epoch, sequence } = POSITION_MAX;
  checkPositions(epoch, sequence - 1);
  throws(() => checkPositions(epoch + 1, 1), {
    code: "UNSUPPORTED",
    message: /epoch 512, batch 1$/,
  });
  throws(() => checkPositions(1, sequence), { code: "UNSUPPORTED" });
});
