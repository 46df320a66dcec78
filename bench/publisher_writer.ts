/**
 * Commits single rows at a rate, on some connections, and prints when each was sent and when its
 * commit was answered: `publisher_writer.ts <database url> <rows a second> <rows>`.
 */

import { connect } from "../lib/postgres/connection.ts";

const [url = "", perSecond = "", rows = ""] = Deno.args;
/** More than wait for the disk at once at the greatest rate. */
const connectionCount = 8;

const connections = await Promise.all(
  Array.from({ length: connectionCount }, () => connect({ url })),
);
const run = crypto.randomUUID();
const written: [id: string, sentAt: number, committedAt: number][] = [];
let next = 0;
const began = performance.now();
await Promise.all(connections.map(async (connection) => {
  while (next < Number(rows)) {
    const n = next++;
    const waitMs = began + n * 1000 / Number(perSecond) - performance.now();
    if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs));
    const id = `${run} ${n}`;
    const sentAt = performance.timeOrigin + performance.now();
    await connection.query(`insert into captured (notes) values ('${id}')`);
    written.push([id, sentAt, performance.timeOrigin + performance.now()]);
  }
}));
await Promise.all(connections.map((connection) => connection.close()));
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(written)));
