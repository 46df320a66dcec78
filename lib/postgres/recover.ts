/** Makes a connection fit for its next user after a read that was left in the middle. */

import type { Connection } from "./connection.ts";
import { FROM_SERVER, Messages } from "./messages.ts";

/** True where nothing runs and nothing is to come. */
export function isClean(connection: Connection): boolean {
  return !connection.closed && connection.unanswered === 0 && connection.status === "I" &&
    connection.cancelling === null;
}

/**
 * Cancels what runs and reads to its end. A connection that is not clean within `recoverMsMax` is
 * closed. Never throws.
 */
export async function recover(connection: Connection): Promise<void> {
  const stop = new AbortController();
  const timer = setTimeout(() => {
    stop.abort();
    connection.abandon();
  }, connection.limits.recoverMsMax);
  try {
    await cleanUp(connection, stop.signal);
  } catch {
    // Whatever went wrong, this connection is not to be trusted.
    connection.abandon();
  } finally {
    clearTimeout(timer);
    // A cancel that is still on its way to a connection that broke.
    stop.abort();
  }
}

async function cleanUp(connection: Connection, signal: AbortSignal): Promise<void> {
  // Often the end is already here, e.g. when only the last rows were not wanted.
  takeWhole(connection);
  if (connection.unanswered > 0) {
    // Both at once: PostgreSQL heeds a cancel only when it does not wait for us to read.
    await Promise.all([connection.cancel(signal), drain(connection)]);
  }
  if (connection.cancelling) {
    await connection.cancelling;
    // The signal has been given; it is harmless once a message sent after it is answered cleanly.
    while (!await answersCleanly(connection));
    connection.cancelling = null;
  }
  if (connection.status !== "I") {
    connection.send(new Messages().query("rollback"), 1);
    await drain(connection);
  }
  if (connection.status !== "I") connection.abandon();
}

async function answersCleanly(connection: Connection): Promise<boolean> {
  connection.send(new Messages().sync(), 1);
  return await drain(connection);
}

/** Reads to the last ReadyForQuery; false where PostgreSQL reported an error on the way. */
async function drain(connection: Connection): Promise<boolean> {
  let clean = true;
  for (;;) {
    if (!takeWhole(connection)) clean = false;
    if (connection.unanswered === 0) return clean;
    await connection.wire.fill();
  }
}

/** Takes what lies whole in the buffer; false where an error was in it. */
function takeWhole(connection: Connection): boolean {
  let clean = true;
  while (connection.unanswered > 0) {
    const letter = connection.wire.tryNextButRows();
    if (letter === 0) break;
    if (letter === FROM_SERVER.error) {
      clean = false;
      connection.failure();
    } else connection.take(letter);
  }
  return clean;
}
