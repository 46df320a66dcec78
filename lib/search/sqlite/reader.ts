/** One worker that asks SQLite, and the search that it is at. */

import { abortError, AppError } from "../../errors.ts";
import { workerPermissions } from "../../start_worker.ts";
import type { SearchPage, SearchQuery } from "../store.ts";
import type { FromReader, ToReader } from "./reader_messages.ts";
import type { SqliteSearchOptions } from "./searcher.ts";

export class Reader {
  #worker: Worker | null = null;
  /** The number of the search that is given up. */
  readonly #givenUp = new Int32Array(new SharedArrayBuffer(4));
  #lastId = 0;
  #answer: { id: number; settle: (message: FromReader | Error) => void } | null = null;

  constructor(private readonly options: SqliteSearchOptions) {}

  /** One at a time. Ends at the signal, whatever SQLite does. */
  search(query: SearchQuery, secondsMax: number, signal: AbortSignal): Promise<SearchPage> {
    if (signal.aborted) return Promise.reject(abortError(signal));
    const worker = this.#worker ??= this.#start();
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      let late: ReturnType<typeof setTimeout> | undefined;
      const giveUp = () => {
        Atomics.store(this.#givenUp, 0, id);
        // It looks at that with each row, but FTS5 may be long without one.
        late = setTimeout(() => {
          reject(abortError(signal));
          this.close(); // its thread ends when SQLite comes back
        }, giveUpMsMax);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#answer = {
        id,
        settle: (message) => {
          clearTimeout(late);
          signal.removeEventListener("abort", giveUp);
          this.#answer = null;
          if (signal.aborted) reject(abortError(signal)); // also where it was answered just then
          else if (message instanceof Error) reject(message);
          else if (message.kind === "page") resolve(message.page);
          else reject(failure(message));
        },
      };
      const message: ToReader = { kind: "search", id, query, secondsMax };
      worker.postMessage(message);
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#answer?.settle(new AppError("UNAVAILABLE", "the search store is closed"));
  }

  #start(): Worker {
    const worker = new Worker(new URL("./reader_worker.ts", import.meta.url), {
      type: "module",
      name: "search",
      deno: { permissions: workerPermissions({ net: [], read: [this.options.folder] }) },
    });
    worker.onmessage = ({ data }: MessageEvent<FromReader>) => {
      if (data.id === this.#answer?.id) this.#answer.settle(data);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // or it would end this program too
      if (this.#worker !== worker) return;
      this.#worker = null; // the next search starts another one
      this.#answer?.settle(new Error(`the search worker ended: ${event.message}`));
    };
    const { options } = this;
    const message: ToReader = { kind: "open", options, givenUp: this.#givenUp.buffer };
    worker.postMessage(message);
    return worker;
  }
}

/** Who gave up is told so after this at the latest. */
const giveUpMsMax = 100;

function failure({ code, message, hint }: FromReader & { kind: "failed" }): AppError {
  return new AppError(code, message, hint === null ? {} : { hint });
}
