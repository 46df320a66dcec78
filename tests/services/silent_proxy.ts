/** A network that can go away without a word: bytes between a program and a server. */

export interface SilentProxy {
  readonly port: number;
  /** From now on nothing passes on the connections that there are, and nobody is told. */
  fallSilent(): void;
  /** Refuses new connections too, until `heal`. */
  cut(): void;
  heal(): void;
  stop(): Promise<void>;
}

/** Starts one in front of a server on this machine. */
export function startSilentProxy(target: { hostname: string; port: number }): SilentProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<{ isSilent: boolean; readonly conns: Deno.Conn[] }>();
  let isCut = false;
  const forward = async (from: Deno.Conn, to: Deno.Conn, pair: { isSilent: boolean }) => {
    const bytes = new Uint8Array(65_536);
    for (;;) {
      const count = await from.read(bytes);
      if (count === null) return pair.isSilent ? undefined : to.closeWrite();
      if (pair.isSilent) continue;
      for (let at = 0; at < count;) at += await to.write(bytes.subarray(at, count));
    }
  };
  const serve = async () => {
    for await (const client of listener) {
      if (isCut) {
        client.close();
        continue;
      }
      const server = await Deno.connect(target);
      const pair = { isSilent: false, conns: [client, server] };
      open.add(pair);
      // One that is closed or broken passes nothing any more.
      forward(client, server, pair).catch(() => {});
      forward(server, client, pair).catch(() => {});
    }
  };
  const served = serve();
  return {
    port: listener.addr.port,
    fallSilent: () => open.forEach((pair) => pair.isSilent = true),
    cut() {
      isCut = true;
      this.fallSilent();
    },
    heal: () => void (isCut = false),
    async stop() {
      listener.close();
      await served;
      for (const { conns } of open) {
        for (const conn of conns) {
          try {
            conn.close();
          } catch {
            // it was closed by whom it was connected to
          }
        }
      }
    },
  };
}
