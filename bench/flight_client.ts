/** pyarrow as the client, the same for every server; it stays up, so that it starts no clock cold. */

import { fileURLToPath } from "node:url";
import { preparePython } from "../tests/clients/python.ts";
import { note } from "./stage.ts";

export interface FlightRead {
  readonly url: string;
  readonly ticket: string;
  /** A slow reader: at this speed for so many seconds, then as fast as it can. */
  readonly bytesPerSecond?: number;
  readonly slowSeconds?: number;
  /** Also count the bytes of the stream as Arrow writes them. */
  readonly wire?: boolean;
}

export interface FlightResult {
  readonly seconds: number;
  readonly firstSeconds: number;
  readonly rows: number;
  /** Of the columns in memory. */
  readonly bytes: number;
  readonly wireBytes: number;
  readonly batches: number;
  readonly clientCpuSeconds: number;
}

/** One Python process that reads stream after stream. */
export class FlightClient {
  #child: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #output: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(): Promise<FlightClient> {
    const script = fileURLToPath(new URL("flight_client.py", import.meta.url));
    const command = new Deno.Command(await preparePython(note), {
      args: [script],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    });
    return new FlightClient(command.spawn());
  }

  /** Reads a stream to its end; throws what the server or the client found wrong. */
  async read(asked: FlightRead): Promise<FlightResult> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(asked)}\n`));
    const answer: FlightResult | { error: string } = JSON.parse(await this.#line());
    if ("error" in answer) throw new Error(`${asked.url}: ${answer.error}`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#input.close();
    await this.#output.cancel();
    await this.#child.status;
  }

  async #line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error("the Flight client ended");
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }
}
