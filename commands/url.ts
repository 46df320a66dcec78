/** `fraiseql url`: where an embedded service of this data folder answers. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { answer } from "./say.ts";

/** Prints one URL, password included. */
export async function printUrl(config: Config, service: string): Promise<number> {
  if (service !== "postgres") {
    throw new AppError("BAD_INPUT", `there is no service named ${JSON.stringify(service)}`, {
      hint: "known: postgres",
    });
  }
  const services = await readServices(config.dataDir);
  const url = services[service];
  if (url === undefined) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded PostgreSQL`, {
      hint: "serve makes it at its first start; FRAISEQL_DATA_DIR names another folder",
    });
  }
  answer(`${url}\n`);
  return 0;
}
