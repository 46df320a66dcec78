/** `fraiseql sample shop`: the sample data in any size. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { loadSampleShop, sampleOrders } from "../lib/embedded/sample_shop.ts";
import { createLog } from "../lib/log.ts";
import { connect } from "../lib/postgres/connection.ts";
import { findDatabase } from "./database.ts";
import { progress, say } from "./say.ts";

export interface SampleFlags {
  readonly orders?: string;
  readonly replace?: boolean;
}

/** Makes the shop; stopping half way leaves the database as it was. */
export async function sampleShop(
  config: Config,
  flags: SampleFlags,
  signal: AbortSignal,
): Promise<number> {
  const orders = flags.orders === undefined
    ? sampleOrders
    : Number(flags.orders.replaceAll(/[_,]/g, ""));
  if (!Number.isSafeInteger(orders)) {
    throw new AppError("BAD_INPUT", `--orders must be a whole number (is ${flags.orders})`);
  }
  const found = await findDatabase(config, createLog("warn"), signal);
  try {
    const connection = await connect({ url: found.url, signal });
    try {
      const show = progress("sample shop");
      await loadSampleShop((sql, parameters) => connection.query(sql, parameters ?? []), {
        orders,
        replace: flags.replace ?? false,
        signal,
        onProgress: ({ rowsDone, rowsTotal }) => show(rowsDone, rowsTotal),
      });
    } finally {
      await connection.close();
    }
  } finally {
    await found.close();
  }
  say(`the sample shop has ${orders.toLocaleString("en")} orders`);
  return 0;
}
