/** pyarrow as the client, the same for every server; it stays up, so that it starts no clock cold. */

import { fileURLToPath } from "node:url";
import { preparePython } from "../tests/clients/python.ts";
import { AskedProgram } from "./asked_program.ts";
import { note } from "./stage.ts";

export interface FlightRead {
  readonly url: string;
  readonly ticket: string;
  /** A slow reader: at this speed for so many seconds, then as fast as it can. */
  readonly bytesPerSecond?: number;
  readonly slowSeconds?: number;
  /** Asks GetFlightInfo for so many parts of the query and reads them in as many threads. */
  readonly partitions?: number;
  /** So many at once, each on a connection of its own; the answer has the seconds of each. */
  readonly readers?: number;
}

export interface FlightResult {
  readonly seconds: number;
  readonly firstSeconds: number;
  readonly rows: number;
  /** Of the columns in memory. */
  readonly bytes: number;
  readonly batches: number;
  readonly clientCpuSeconds: number;
  /** Of each reader, where there are several. */
  readonly each: readonly number[];
}

/** One Python process that reads stream after stream. */
export class FlightClient {
  readonly #program: AskedProgram<FlightRead, FlightResult>;

  private constructor(python: string) {
    const script = fileURLToPath(new URL("flight_client.py", import.meta.url));
    this.#program = new AskedProgram(python, [script]);
  }

  static async start(): Promise<FlightClient> {
    return new FlightClient(await preparePython(note));
  }

  /** Reads to the end; throws what the server or the client found wrong. */
  read(asked: FlightRead): Promise<FlightResult> {
    return this.#program.ask(asked);
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }
}
