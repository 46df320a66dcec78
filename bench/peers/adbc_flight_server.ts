/** The peer on Flight: C++ from PostgreSQL to the socket, with a dozen lines of Python around it. */

import { fileURLToPath } from "node:url";
import { preparePython } from "../../tests/clients/python.ts";
import { type Running, startProgram } from "../processes.ts";
import { note } from "../stage.ts";

export interface AdbcFlightServer extends Running {
  readonly flight: string;
}

export async function startAdbcFlightServer(url: string): Promise<AdbcFlightServer> {
  const script = fileURLToPath(new URL("adbc_flight_server.py", import.meta.url));
  const { pid, stop, found } = await startProgram(await preparePython(note), {
    args: [script, url],
    find: (line) => /^ready (.*)/.exec(line)?.[1] ?? null,
  });
  return { pid, stop, flight: found };
}
