/** The body of one answer: held back until its status is certain, then streamed. */

import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { constants, createGzip, gzipSync } from "node:zlib";
import { deadline } from "../deadlines.ts";
import { abortError, AppError } from "../errors.ts";
import { concat } from "./graphql_request.ts";

export interface HeldBodyOptions {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly gzip: boolean;
  /** How long the client may take no byte. */
  readonly stallSecondsMax: number;
  /** Aborted when the client leaves; waiting then throws the reason. */
  readonly client: AbortSignal;
  /** Told when the client takes nothing for too long; aborts `client`. */
  readonly leave: (reason: AppError) => void;
}

/**
 * Takes the pieces of a body. Nothing is sent until 64 KiB or the end: whatever fails before can
 * still have its own status. After that `write()` returns only when the client has made room, so
 * who awaits it never holds more than a few pieces.
 */
export class HeldBody {
  /** Bytes taken, before compression. */
  bytes = 0;
  /** True from the moment the status is sent. */
  begun = false;

  private held: Uint8Array[] = [];
  private out: Writable;

  constructor(
    private readonly response: ServerResponse,
    private readonly options: HeldBodyOptions,
  ) {
    this.out = response;
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) this.bytes += piece.length;
    if (!this.begun) {
      this.held.push(...pieces);
      if (this.bytes < heldBytesMax) return;
      this.begin();
      pieces = [concat(this.held, this.bytes)];
      this.held = [];
    }
    for (const piece of pieces) await this.send(piece);
  }

  /** Sends what is left and waits until the client's side has it all. */
  async end(): Promise<void> {
    const { response, options } = this;
    const finished = this.until("finish");
    if (this.begun) this.out.end();
    else {
      let whole = this.held.length === 1 ? this.held[0]! : concat(this.held, this.bytes);
      const headers: Record<string, string> = { ...options.headers };
      if (options.gzip && whole.length >= gzipBytesMin) {
        whole = gzipSync(whole, { level: gzipLevel });
        headers["content-encoding"] = "gzip";
      }
      headers["content-length"] = String(whole.length);
      this.begun = true;
      response.writeHead(options.status, headers).end(whole);
    }
    await finished;
  }

  /** Ends a started answer so that the client sees a cut, and frees what compresses it. */
  cut(): void {
    if (this.out !== this.response) this.out.destroy();
    this.response.destroy();
  }

  private begin(): void {
    const { response, options } = this;
    this.begun = true;
    if (!options.gzip) {
      response.writeHead(options.status, options.headers);
      return;
    }
    response.writeHead(options.status, { ...options.headers, "content-encoding": "gzip" });
    // Each write comes out whole, so that a slow query's first rows do not wait for its last.
    const gzip = createGzip({ level: gzipLevel, flush: constants.Z_SYNC_FLUSH });
    gzip.on("error", () => response.destroy());
    gzip.pipe(response);
    this.out = gzip;
  }

  /** In parts, so that the stall watch sees a slow client take some of a long piece. */
  private async send(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; at += heldBytesMax) {
      if (this.options.client.aborted) throw abortError(this.options.client);
      const part = piece.length <= heldBytesMax ? piece : piece.subarray(at, at + heldBytesMax);
      if (!this.out.write(part)) await this.until("drain");
    }
  }

  /** Waits for the event; throws where the client leaves, or takes nothing for too long. */
  private async until(event: "drain" | "finish"): Promise<void> {
    const { client: signal, leave, stallSecondsMax } = this.options;
    const emitter = event === "drain" ? this.out : this.response;
    if (signal.aborted) throw abortError(signal);
    await new Promise<void>((resolve, reject) => {
      const done = () => {
        unwatch();
        emitter.off(event, came);
        signal.removeEventListener("abort", left);
      };
      const came = () => {
        done();
        resolve();
      };
      const left = () => {
        done();
        reject(abortError(signal));
      };
      const stalled = () =>
        leave(
          new AppError("CANCELLED", `the client took no byte for ${stallSecondsMax} seconds`),
        );
      const unwatch = deadline(stallSecondsMax * 1000, stalled);
      emitter.once(event, came);
      signal.addEventListener("abort", left);
    });
  }
}

/** What fails within the first 64 KiB has its own status; a row or two never need more. */
const heldBytesMax = 64 * 1024;

/** Below, the answer fits a packet or two and gzip saves nothing. */
const gzipBytesMin = 1024;

/** Rows of text shrink to 0.24 of their size, at twice the speed of level 6, which makes 0.22. */
const gzipLevel = 2;
