/** A server that says what its script says: PostgreSQL's protocol, and what is none. */

const encoder = new TextEncoder();

/** A message of a server. */
export function message(letter: string, ...parts: (string | number[] | Uint8Array)[]): Uint8Array {
  const bodies = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const length = bodies.reduce((sum, body) => sum + body.length, 4);
  return joined([encoder.encode(letter), int32(length), ...bodies]);
}

export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

/** A row of one column. */
export function dataRow(value: Uint8Array): Uint8Array {
  return message("D", [0, 1], int32(value.length), value);
}

export function intRow(value: number): Uint8Array {
  return dataRow(int32(value));
}

export function joined(parts: readonly (Uint8Array | number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function error(sqlState: string, said = "it says", severity = "ERROR"): Uint8Array {
  return message("E", `V${severity}\0C${sqlState}\0M${said}\0\0`);
}

export const ready = message("Z", "I");
export const authOk = message("R", int32(0));
const backendKey = message("K", int32(7), int32(8));

/** The answer to the queries by which a session is checked and set up. */
const facts = joined([
  message(
    "D",
    [0, 5],
    ...["off", "f", "150000", "UTF8", "7"].flatMap((text) => [
      int32(text.length),
      text,
    ]),
  ),
  message("C", "SELECT 1\0"),
  ready,
]);
const set = joined([message("C", "SELECT 1\0"), ready]);

/** What is said after each message of the client that ends with an answer due. */
export const greeting: Uint8Array[] = [
  joined([authOk, backendKey, ready]),
  facts,
  set,
  set,
];

export interface FakeServer {
  readonly url: string;
  /** Connections so far. */
  readonly accepted: () => number;
  close(): Promise<void>;
}

/** As the last entry of a script: the connection stays open and nothing is said any more. */
export const silence = new Uint8Array();

/**
 * Answers the n-th thing that is asked by the n-th entry of `script`, cut into pieces by `split`;
 * closes the connection after the last one. Every connection begins the script anew.
 */
export function startFakeServer(
  script: readonly Uint8Array[] | ((connection: number) => readonly Uint8Array[]),
  split: (bytes: Uint8Array) => Iterable<Uint8Array> = (bytes) => [bytes],
): FakeServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let accepted = 0;
  const serve = async (conn: Deno.TcpConn, number: number) => {
    open.add(conn);
    conn.setNoDelay(true);
    try {
      const buffer = new Uint8Array(65_536);
      for (const bytes of typeof script === "function" ? script(number) : script) {
        if (await conn.read(buffer) === null) break;
        while (bytes === silence && await conn.read(buffer) !== null);
        for (const piece of split(bytes)) {
          for (let at = 0; at < piece.length;) at += await conn.write(piece.subarray(at));
        }
      }
    } catch {
      // The client went away, as some tests want.
    }
    if (open.delete(conn)) conn.close();
  };
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      serving.push(serve(conn, accepted++));
    }
  })();
  return {
    accepted: () => accepted,
    url: `postgres://u:p@127.0.0.1:${listener.addr.port}/d?sslmode=disable`,
    async close() {
      listener.close();
      for (const conn of open) {
        open.delete(conn);
        conn.close();
      }
      await accepting;
      await Promise.all(serving);
    },
  };
}
