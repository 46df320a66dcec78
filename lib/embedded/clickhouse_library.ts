/**
 * libchdb, the ClickHouse engine as a library, by its C interface. Loaded by the engine's own
 * process alone (`clickhouse_program.ts`): native code answers to no permission of Deno, and a fault
 * of it ends the process.
 */

import { ClickhouseFault, codeOf } from "./clickhouse_fault.ts";
import type { Owner } from "./owner.ts";

const SYMBOLS = {
  dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
  setgid: { parameters: ["u32"], result: "i32" },
  setuid: { parameters: ["u32"], result: "i32" },
  setgroups: { parameters: ["usize", "pointer"], result: "i32" },
  chdb_set_signal_handlers_enabled: { parameters: ["i32"], result: "void" },
  chdb_connect: { parameters: ["i32", "buffer"], result: "pointer", nonblocking: true },
  chdb_close_conn: { parameters: ["pointer"], result: "void", nonblocking: true },
  chdb_query_n: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "pointer",
    nonblocking: true,
  },
  chdb_stream_query_n: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "pointer",
    nonblocking: true,
  },
  chdb_stream_fetch_result: {
    parameters: ["pointer", "pointer"],
    result: "pointer",
    nonblocking: true,
  },
  chdb_stream_cancel_query: {
    parameters: ["pointer", "pointer"],
    result: "void",
    nonblocking: true,
  },
  chdb_result_buffer: { parameters: ["pointer"], result: "pointer" },
  chdb_result_length: { parameters: ["pointer"], result: "usize" },
  chdb_result_error: { parameters: ["pointer"], result: "pointer" },
  chdb_destroy_query_result: { parameters: ["pointer"], result: "void", nonblocking: true },
  chdb_stream_insert_n: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "pointer",
    nonblocking: true,
  },
  chdb_stream_append: {
    parameters: ["pointer", "buffer", "usize"],
    result: "i32",
    nonblocking: true,
  },
  chdb_stream_done: { parameters: ["pointer"], result: "pointer", nonblocking: true },
  chdb_stream_cancel_insert: { parameters: ["pointer"], result: "void", nonblocking: true },
  chdb_stream_insert_error: { parameters: ["pointer"], result: "pointer" },
  chdb_destroy_insert_stream: { parameters: ["pointer"], result: "void", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
type Bytes = Uint8Array<ArrayBuffer>;

/** The engine on its one folder; a process can have one. */
export interface Engine {
  /** A connection with settings of its own; opening one takes less than a millisecond. */
  open(): Promise<Session>;
  close(): Promise<void>;
}

/** Runs one statement at a time. */
export interface Session {
  /** The whole result; throws what the engine refuses. */
  query(sql: string, format?: string): Promise<Bytes>;
  /**
   * The result in pieces, each a whole document of the format; null where the statement has none to
   * give in pieces, and did not run. Leaving early ends the statement, or waits for its end where
   * nobody killed it.
   */
  stream(sql: string, format: string): Promise<AsyncGenerator<Bytes, undefined> | null>;
  /** Takes the data as it comes; what was read when `data` throws is not stored. */
  insert(sql: string, format: string, data: AsyncIterable<Uint8Array>): Promise<void>;
  close(): Promise<void>;
}

/** Loads the library and opens the folder; all of it is the owner's where one is named. */
export async function openEngine(
  path: string,
  args: readonly string[],
  owner: Owner | null,
): Promise<Engine> {
  const library = load(path);
  if (owner) become(library, owner);
  const first = await connect(library, args);
  return {
    async open() {
      const cell = await connect(library, args);
      return session(library, cell);
    },
    // The last one shuts the engine down, all written.
    close: () => library.chdb_close_conn(first),
  };
}

function load(path: string): Library {
  const library = Deno.dlopen(path, SYMBOLS).symbols;
  // Never unloaded: at the process's end its destructors would run among its living threads, which
  // ended every second process by a fault.
  library.dlopen(encoder.encode(`${path}\0`), RTLD_NOW | RTLD_NODELETE);
  library.chdb_set_signal_handlers_enabled(0);
  return library;
}

const RTLD_NOW = 2;
const RTLD_NODELETE = Deno.build.os === "darwin" ? 0x80 : 0x1000;
const encoder = new TextEncoder();

/** Every thread of the process becomes the owner's, for good. */
function become(library: Library, { uid, gid }: Owner): void {
  const failed = library.setgroups(0n, null) || library.setgid(gid) || library.setuid(uid);
  if (failed) throw new Error(`cannot become user ${uid}`);
}

async function connect(library: Library, args: readonly string[]): Promise<Deno.PointerObject> {
  const texts = args.map((arg) => encoder.encode(`${arg}\0`));
  const addresses = texts.map((text) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(text)));
  const argv = new Uint8Array(new BigUint64Array(addresses).buffer);
  const cell = await held([...texts, argv], () => library.chdb_connect(args.length, argv));
  if (cell === null) throw new ClickhouseFault(1001, "STD_EXCEPTION", "the engine does not open");
  return cell;
}

function session(library: Library, cell: Deno.PointerObject): Session {
  const connection = new Deno.UnsafePointerView(cell).getPointer();
  const text = (pointer: Deno.PointerValue) =>
    pointer === null ? null : Deno.UnsafePointerView.getCString(pointer);

  /** The bytes of a result, which is gone then. */
  const take = async (result: Deno.PointerValue): Promise<Bytes> => {
    const error = text(library.chdb_result_error(result));
    const length = Number(library.chdb_result_length(result));
    const buffer = library.chdb_result_buffer(result);
    const bytes = error !== null || buffer === null || length === 0
      ? new Uint8Array()
      : new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(buffer, length)).slice();
    await library.chdb_destroy_query_result(result);
    if (error !== null) throw fault(error);
    return bytes;
  };

  async function* pieces(stream: Deno.PointerValue): AsyncGenerator<Bytes, undefined> {
    let whole = false;
    try {
      for (;;) {
        const bytes = await take(await library.chdb_stream_fetch_result(connection, stream));
        if (bytes.length === 0) break;
        yield bytes;
      }
      whole = true;
    } finally {
      if (!whole) await library.chdb_stream_cancel_query(connection, stream);
      await library.chdb_destroy_query_result(stream);
    }
    return undefined;
  }

  return {
    async query(sql, format = "TabSeparated") {
      const [query, form] = [encoder.encode(sql), encoder.encode(format)];
      return await take(
        await held(
          [query, form],
          () => library.chdb_query_n(connection, query, length(query), form, length(form)),
        ),
      );
    },

    async stream(sql, format) {
      const [query, form] = [encoder.encode(sql), encoder.encode(format)];
      const stream = await held(
        [query, form],
        () => library.chdb_stream_query_n(connection, query, length(query), form, length(form)),
      );
      const error = text(library.chdb_result_error(stream));
      if (error === null) return pieces(stream);
      await library.chdb_destroy_query_result(stream);
      if (error.includes("Streaming query is not supported")) return null;
      throw fault(error);
    },

    async insert(sql, format, data) {
      const [query, form] = [encoder.encode(sql), encoder.encode(format)];
      const stream = await held(
        [query, form],
        () => library.chdb_stream_insert_n(connection, query, length(query), form, length(form)),
      );
      const refuseFault = () => {
        const error = text(library.chdb_stream_insert_error(stream));
        if (error !== null) throw fault(error);
      };
      let done = false;
      try {
        refuseFault();
        for await (const piece of data) {
          const bytes = piece.buffer instanceof ArrayBuffer
            ? piece as Bytes
            : new Uint8Array(piece);
          const state = await held(
            [bytes],
            () => library.chdb_stream_append(stream, bytes, length(bytes)),
          );
          if (state === 0) continue;
          refuseFault();
          break; // the end tells what is wrong
        }
        done = true;
        await take(await library.chdb_stream_done(stream));
      } finally {
        if (!done) await library.chdb_stream_cancel_insert(stream);
        await library.chdb_destroy_insert_stream(stream);
      }
    },

    close: () => library.chdb_close_conn(cell),
  };
}

const length = (bytes: Uint8Array) => BigInt(bytes.length);

/** The engine's own error, its number included. */
function fault(text: string): ClickhouseFault {
  const [, label = "STD_EXCEPTION"] = ending.exec(text) ?? [];
  // Some begin by their number twice, some name the version.
  const plain = text.replace(/^(Code: \d+\. DB::Exception: )+/, "").replace(endings, "");
  return new ClickhouseFault(codeOf(text), label, plain);
}

const ending = /\(([A-Z][A-Z0-9_]+)\)(?: \(version [^)]*\)\.?)?\s*$/;
const endings = /(?:\.?\s*(?:\([A-Z][A-Z0-9_]+\)|\(version [^)]*\)\.?))+\s*$/;

/** Buffers that a call on another thread reads must not be collected before it ends. */
async function held<T>(buffers: readonly Bytes[], call: () => Promise<T>): Promise<T> {
  for (const buffer of buffers) inUse.add(buffer);
  try {
    return await call();
  } finally {
    for (const buffer of buffers) inUse.delete(buffer);
  }
}

const inUse = new Set<Bytes>();
