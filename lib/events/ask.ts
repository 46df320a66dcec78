/**
 * A request to NATS that ends with the connection it was sent on. The client itself would wait for
 * its time: what was under way when the connection was lost, and what is sent before the next one
 * is there, gets no answer.
 */

import type { Nats } from "./connect.ts";

/** The connection was lost before the answer came, which says nothing about what was done. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The answer, or what the request throws, or `ConnectionLost`. */
export async function ask<Answer>(nats: Nats, send: () => Promise<Answer>): Promise<Answer> {
  if (!nats.isConnected()) throw new ConnectionLost("there is no connection");
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => {}); // most often nobody waits for it any more
  const unlisten = nats.onDisconnect(() =>
    lost.reject(new ConnectionLost("the connection was lost"))
  );
  try {
    const answer = send();
    answer.catch(() => {}); // where the connection was lost first
    return await Promise.race([answer, lost.promise]);
  } finally {
    unlisten();
  }
}
