/**
 * Puts off what HTTP/2 clients do about a GOAWAY until its event has ended. grpc-js closes the session
 * in it, and Deno 2.9.6 then ends the whole process now and then, in nghttp2's own code: without this
 * one in some hundreds of servers that stop before their client would end the tests.
 *
 * Here and not at the sessions, since grpc-js keeps `connect` from when it was loaded.
 */

import { EventEmitter } from "node:events";

const { emit } = EventEmitter.prototype;

EventEmitter.prototype.emit = function (name: string | symbol, ...values: unknown[]): boolean {
  if (name !== "goaway") return emit.call(this, name, ...values);
  setTimeout(() => emit.call(this, name, ...values), 0);
  return true;
};
