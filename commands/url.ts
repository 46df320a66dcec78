/** `fraiseql url`: where an embedded service of this data folder answers. */

import { httpInterfaceUrl } from "../lib/clickhouse/url.ts";
import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { NATS_USERS } from "../lib/events/users.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { answer } from "./say.ts";

/** Prints one URL, password included. */
export async function printUrl(config: Config, service: string): Promise<number> {
  const name = SERVICES[service];
  if (name === undefined) {
    throw new AppError("BAD_INPUT", `there is no service named ${JSON.stringify(service)}`, {
      hint: `known: ${Object.keys(SERVICES).join(", ")}`,
    });
  }
  const services = await readServices(config.dataDir);
  const url = services[service];
  if (url === undefined) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded ${name}`, {
      hint: "serve makes it at its first start; FRAISEQL_DATA_DIR names another folder",
    });
  }
  // What it prints is to work with curl, too, and as FRAISEQL_CLICKHOUSE_URL.
  answer(`${service === "clickhouse" ? httpInterfaceUrl(url) : url}\n`);
  return 0;
}

/** By what they are called in services.json. */
const SERVICES: Readonly<Record<string, string>> = {
  __proto__: null as never, // no name is there but these
  postgres: "PostgreSQL",
  nats: "NATS",
  clickhouse: "ClickHouse",
  search: "search",
  ...Object.fromEntries(
    NATS_USERS.filter((user) => user !== "admin").map((user) => [`nats.${user}`, "NATS"]),
  ),
};
