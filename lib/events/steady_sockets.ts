/**
 * Mends a fault of the client's transport under Deno: between dialing, TLS and its own set-up, and
 * after a refused login, its sockets have no listener for errors for a moment, and an error that
 * comes then (a server that is killed during the handshake) would end the whole program. Such an
 * error tells nothing: the transport sees the socket close.
 */

import type { Socket } from "node:net";
import tls from "node:tls";
import { NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

/** Those of the client, so that nobody else's are touched. */
const kept = new WeakSet<object>();

const { dial } = NodeTransport.prototype;
NodeTransport.prototype.dial = async function (place) {
  return keepListening(await dial.call(this, place));
};

// TLS on such a socket: an alert can come before the promise of it has told anybody.
const { connect } = tls;
tls.connect = function (...given: Parameters<typeof connect>) {
  const socket = connect(...given);
  const [options] = given as unknown[];
  const under = typeof options === "object" && options !== null && "socket" in options
    ? options.socket
    : null;
  return under instanceof Object && kept.has(under) ? keepListening(socket) : socket;
} as typeof connect;

function keepListening<Kind extends Socket>(socket: Kind): Kind {
  const ignore = () => {};
  const { removeAllListeners } = socket;
  kept.add(socket);
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
