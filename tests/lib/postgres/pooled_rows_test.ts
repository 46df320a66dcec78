import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { limits } from "../../../lib/limits.ts";
import { Connection } from "../../../lib/postgres/connection.ts";
import { Pool } from "../../../lib/postgres/pool.ts";
import { pooledRows } from "../../../lib/postgres/pooled_rows.ts";
import type { Stream } from "../../../lib/postgres/stream.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { Wire } from "../../../lib/postgres/wire.ts";
import { intRow, joined, message, ready } from "./fake_server.ts";
import { intsOf, never } from "./rows.ts";
import { quiet } from "./server.ts";

/** How the other side takes the n-th request: rows, an end, or no knowledge of us. */
type Reply = "rows" | "end" | "reset" | "reset amidst" | "broken pipe";

/** Says nothing until it is asked, then what its script says. */
class FakeStream implements Stream {
  readonly server = { host: "fake", port: 0 };
  readonly encrypted = false;
  readonly peerCertificate = null;
  #asked = Promise.withResolvers<void>();
  #resetNext = false;

  constructor(readonly replies: Reply[]) {}

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#resetNext) throw new Deno.errors.ConnectionReset("reset");
    await this.#asked.promise;
    this.#asked = Promise.withResolvers();
    const reply = this.replies.shift();
    const row = intRow(1);
    switch (reply) {
      case "rows": {
        const answer = joined([row, message("C", "SELECT 1\0"), ready]);
        into.set(answer);
        return answer.length;
      }
      case "reset amidst":
        into.set(row);
        this.#resetNext = true;
        return row.length;
      case "reset":
        throw new Deno.errors.ConnectionReset("reset");
      case "broken pipe":
        throw new Deno.errors.BrokenPipe("pipe");
      default:
        return null;
    }
  }

  write(): Promise<void> {
    this.#asked.resolve();
    return Promise.resolve();
  }

  close(): void {
    this.#asked.resolve();
  }
}

/** What comes of reading `reads` times where connections reply so; and how many were opened. */
async function read(
  connections: Reply[][],
  reads: number,
): Promise<[ends: string[], opened: number]> {
  let opened = 0;
  const all = limits({ poolConnectionsMax: 1 });
  const pool = new Pool({
    ...quiet({ poolConnectionsMax: 1 }),
    connect: () => {
      const wire = new Wire(new FakeStream([...connections[opened++] ?? []]), 1000);
      const session = {
        wire,
        server: wire.stream.server,
        processId: 1,
        cancelKey: new Uint8Array(4),
        parameters: new Map<string, string>(),
      };
      const connection = new Connection(session, parseUrl("postgres://u@h/d"), all, {});
      connection.statementTimeoutMs = 1000;
      return Promise.resolve(connection);
    },
  });
  const ends: string[] = [];
  for (let n = 0; n < reads; n++) {
    try {
      const values: number[] = [];
      const options = { signal: never, statementTimeoutMs: 1000 };
      for await (const chunk of pooledRows(pool, [{ text: "select", parameters: [] }], options)) {
        values.push(...intsOf(chunk).map(([, value]) => value));
      }
      ends.push(values.join());
    } catch (error) {
      ends.push((error as { code: string }).code);
    }
  }
  await pool.close();
  return [ends, opened];
}

const cases: [name: string, connections: Reply[][], ends: string[], opened: number][] = [
  ["where the other side forgot an idle connection", [["rows", "reset"], ["rows"]], ["1", "1"], 2],
  [
    "where an idle connection cannot be written to",
    [["rows", "broken pipe"], ["rows"]],
    ["1", "1"],
    2,
  ],
];

for (const [name, connections, ends, opened] of cases) {
  Deno.test(`pooledRows() asks again on another connection ${name}`, async () => {
    deepEqual(await read(connections, ends.length), [ends, opened]);
  });
}

const once: [name: string, connections: Reply[][], ends: string[], opened: number][] = [
  ["a new connection is reset", [["reset"], ["rows"]], ["UNAVAILABLE"], 1],
  ["rows have come already", [["rows", "reset amidst"], ["rows"]], ["1", "UNAVAILABLE"], 1],
  // A query that brings PostgreSQL down ends so: it must not bring it down twice.
  ["PostgreSQL closes the connection", [["rows", "end"], ["rows"]], ["1", "UNAVAILABLE"], 1],
];

for (const [name, connections, ends, opened] of once) {
  Deno.test(`pooledRows() does not ask again where ${name}`, async () => {
    deepEqual(await read(connections, ends.length), [ends, opened]);
  });
}

Deno.test("pooledRows() takes no connection when its signal is aborted already", async () => {
  let opened = 0;
  const pool = new Pool({
    ...quiet(),
    connect: () => {
      opened++;
      return Promise.reject(new Error("not wanted"));
    },
  });
  const options = { signal: AbortSignal.abort(), statementTimeoutMs: 1000 };
  const chunks = pooledRows(pool, [{ text: "select", parameters: [] }], options);
  await rejects(chunks.next(), { code: "CANCELLED" });
  equal(opened, 0);
  await pool.close();
});
