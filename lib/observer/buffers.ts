/** Buffers that are used again, so that millions of lines leave nothing to collect. */

/** Of some sizes, each four times the one before. */
export class Buffers {
  readonly #sizes: readonly number[];
  readonly #free: Uint8Array[][];
  #keptBytes = 0;

  /** `bytesMax`: of the largest that is kept; `keptBytesMax`: of all that lie unused. */
  constructor(bytesMax: number, private readonly keptBytesMax: number) {
    const sizes = [bytesMax];
    while (sizes[0]! > bytesMin * 4) sizes.unshift(Math.ceil(sizes[0]! / 4));
    this.#sizes = sizes;
    this.#free = sizes.map(() => []);
  }

  /** One with at least so many bytes, which hold anything. */
  take(bytes: number): Uint8Array {
    const kind = this.#sizes.findIndex((size) => size >= bytes);
    if (kind < 0) return new Uint8Array(bytes);
    const free = this.#free[kind]!.pop();
    if (free === undefined) return new Uint8Array(this.#sizes[kind]!);
    this.#keptBytes -= free.length;
    return free;
  }

  /** Takes it back; nobody may use it any more. */
  give(buffer: Uint8Array): void {
    const kind = this.#sizes.indexOf(buffer.length);
    if (kind < 0 || this.#keptBytes + buffer.length > this.keptBytesMax) return;
    this.#free[kind]!.push(buffer);
    this.#keptBytes += buffer.length;
  }
}

/** What holds a few events. */
const bytesMin = 2048;
