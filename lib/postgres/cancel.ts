/** Asks PostgreSQL to end what a connection runs. */

import { Messages } from "./messages.ts";
import { onAbort } from "./on_abort.ts";
import { openStream, type Stream } from "./stream.ts";
import type { ConnectTarget } from "./url.ts";

export interface Cancelled {
  readonly stream: Stream;
  readonly processId: number;
  readonly cancelKey: Uint8Array;
}

/**
 * Sends a CancelRequest on a socket of its own, by the same way to the same machine. Resolves when
 * PostgreSQL closed that socket: then the signal has been given, and no cancel is under way any
 * more that could hit a later query.
 */
export async function sendCancel(
  cancelled: Cancelled,
  target: ConnectTarget,
  signal: AbortSignal,
): Promise<void> {
  const { server, encrypted } = cancelled.stream;
  const stream = await openStream(server, target, encrypted ? "always" : "never", signal);
  const forget = onAbort(signal, () => stream.close());
  try {
    await stream.write(
      new Messages().cancelRequest(cancelled.processId, cancelled.cancelKey).bytes(),
    );
    const unread = new Uint8Array(64);
    while (await stream.read(unread) !== null);
  } finally {
    forget();
    stream.close();
  }
}
