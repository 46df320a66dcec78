/** A worker with the publisher's permissions that tries what it may not. */

const worker = self as unknown as {
  onmessage: (message: MessageEvent<{ postgres: string; nats: string }>) => void;
  postMessage(value: unknown): void;
};

worker.onmessage = async ({ data: { postgres, nats } }) => {
  worker.postMessage({
    postgres: await refused(() => open(postgres)),
    nats: await refused(() => open(nats)),
    elsewhere: await refused(() => open("127.0.0.1:1")),
    environment: await refused(() => Promise.resolve(Deno.env.get("HOME"))),
    disk: await refused(() => Deno.readTextFile("/etc/hosts")),
    write: await refused(() => Deno.writeTextFile("/tmp/confined", "")),
    run: await refused(() => new Deno.Command("sh").output()),
  });
};

async function open(place: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${place}`);
  (await Deno.connect({ hostname, port: Number(port) })).close();
}

async function refused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return true;
    throw error;
  }
}
