/**
 * Mends a fault of the client's transport under Deno: between dialing and its own set-up, and after
 * a refused login, its sockets have no listener for errors for a moment, and an error that comes
 * then (a server that is killed during the handshake) would end the whole program. Such an error
 * tells nothing: the transport sees the socket close.
 */

import type { Socket } from "node:net";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

type Open = (this: NodeTransport, place: { hostname: string; port: number }) => Promise<Socket>;

for (const name of ["dial", "tlsFirst", "startTLS"] as const) {
  const open = NodeTransport.prototype[name] as Open;
  NodeTransport.prototype[name] = async function (this: NodeTransport, place) {
    return keepListening(await open.call(this, place));
  } as Open as never;
}

function keepListening<Kind extends Socket>(socket: Kind): Kind {
  const ignore = () => {};
  const { removeAllListeners } = socket;
  socket.on("error", ignore);
  socket.removeAllListeners = function (event?: string | symbol) {
    // It counts its arguments.
    if (event === undefined) removeAllListeners.call(socket);
    else removeAllListeners.call(socket, event);
    socket.on("error", ignore);
    return socket;
  };
  return socket;
}
