/** The body of one answer: held back until its status is certain, then streamed. */

import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { constants, createGzip, gzipSync } from "node:zlib";
import { deadline } from "../deadlines.ts";
import { abortError, AppError } from "../errors.ts";

const nothing = new Uint8Array(0);

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
 * still have its own status. `write()` returns when a piece's bytes are not needed any more: copied,
 * or handed to the system, which waits until the client has made room.
 */
export class HeldBody {
  /** Bytes taken, before compression. */
  bytes = 0;
  /** True from the moment the status is sent. */
  begun = false;

  /** What is held back lies in its first `bytes`. */
  private room = nothing;
  private out: Writable;

  constructor(
    private readonly response: ServerResponse,
    private readonly options: HeldBodyOptions,
  ) {
    this.out = response;
  }

  async write(pieces: readonly Uint8Array[]): Promise<void> {
    if (!this.begun) {
      this.hold(pieces);
      if (this.bytes < heldBytesMax) return;
      this.begin();
      pieces = [this.room.subarray(0, this.bytes)];
    } else for (const piece of pieces) this.bytes += piece.length;
    for (const piece of pieces) await this.send(piece);
    this.room = nothing;
  }

  /** Sends what is left and waits until the client's side has it all. */
  async end(): Promise<void> {
    const { response, options } = this;
    if (this.begun) return await this.until((done) => this.finish(done));
    let whole = this.room.subarray(0, this.bytes);
    const headers: Record<string, string> = { ...options.headers };
    if (options.gzip && whole.length >= gzipBytesMin) {
      whole = gzipSync(whole, { level: gzipLevel });
      headers["content-encoding"] = "gzip";
    }
    headers["content-length"] = String(whole.length);
    this.begun = true;
    response.writeHead(options.status, headers);
    await this.until((done) => response.end(whole, done));
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

  private hold(pieces: readonly Uint8Array[]): void {
    let at = this.bytes;
    this.bytes = pieces.reduce((sum, piece) => sum + piece.length, at);
    if (this.bytes > this.room.length) {
      const more = new Uint8Array(Math.max(this.bytes, 2 * this.room.length));
      more.set(this.room.subarray(0, at));
      this.room = more;
    }
    for (const piece of pieces) {
      this.room.set(piece, at);
      at += piece.length;
    }
  }

  /** The answer's own end: what compresses has ended before. */
  private finish(done: () => void): void {
    this.response.once("finish", done);
    this.out.end();
  }

  /** In parts, so that the stall watch sees a slow client take some of a long piece. */
  private async send(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; at += heldBytesMax) {
      const part = piece.length <= heldBytesMax ? piece : piece.subarray(at, at + heldBytesMax);
      await this.until((done) => this.out.write(part, done));
    }
  }

  /**
   * Waits for what is begun and calls back when it is done; throws where the client leaves, or takes
   * nothing for too long. A connection that breaks is told by `client`, and not by an error here.
   */
  private async until(begin: (done: (error?: Error | null) => void) => void): Promise<void> {
    const { client, leave, stallSecondsMax } = this.options;
    if (client.aborted) throw abortError(client);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const left = () => reject(abortError(client));
    const stalled = () =>
      leave(new AppError("CANCELLED", `the client took no byte for ${stallSecondsMax} seconds`));
    const unwatch = deadline(stallSecondsMax * 1000, stalled);
    client.addEventListener("abort", left);
    try {
      begin((error?: Error | null) => error ? undefined : resolve());
      await promise;
    } finally {
      unwatch();
      client.removeEventListener("abort", left);
    }
  }
}

/** What fails within the first 64 KiB has its own status; a row or two never need more. */
const heldBytesMax = 64 * 1024;

/** Below, the answer fits a packet or two and gzip saves nothing. */
const gzipBytesMin = 1024;

/** Rows of text shrink to 0.24 of their size, at twice the speed of level 6, which makes 0.22. */
const gzipLevel = 2;
