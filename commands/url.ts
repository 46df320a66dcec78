/** `fraiseql url`: where an embedded service of this data folder answers. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { answer } from "./say.ts";

/** Prints one URL, password included. */
export async function printUrl(config: Config, service: string): Promise<number> {
  const services = await readServices(config.dataDir);
  const url = services[service];
  if (url === undefined) {
    const names = Object.keys(services);
    throw new AppError("NOT_FOUND", `${config.dataDir} has no embedded service named ${service}`, {
      hint: names.length > 0 ? `it has ${names.join(", ")}` : "fraiseql serve starts them",
    });
  }
  answer(`${url}\n`);
  return 0;
}
