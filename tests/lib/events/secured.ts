/** A nats-server that asks for more than a password: certificates, or credentials. */

import { nkeys } from "@nats-io/transport-node";
import { findNatsServer } from "../../../lib/embedded/nats_binary.ts";
import { choosePort } from "../../../lib/embedded/ports_and_lines.ts";
import { natsPrograms } from "../../services/nats.ts";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface SecuredServer {
  /** `localhost` and the port. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts it with these settings beside JetStream. */
export async function startSecured(settings: Record<string, unknown>): Promise<SecuredServer> {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql_secured_" });
  const port = choosePort(undefined, undefined);
  const config = { listen: `127.0.0.1:${port}`, jetstream: { "store_dir": folder }, ...settings };
  await Deno.writeTextFile(`${folder}/server.conf`, JSON.stringify(config));
  const binary = await findNatsServer({ folder: natsPrograms, onProgress: () => {} });
  const child = new Deno.Command(binary.path, {
    args: ["--config", `${folder}/server.conf`],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("Server is ready")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(said);
    said += value;
  }
  return {
    host: `localhost:${port}`,
    async stop() {
      child.kill("SIGKILL");
      await lines.cancel();
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Settings of a server that knows one operator and account, and the credentials of a user. */
export function makeCredentials(): { settings: Record<string, unknown>; creds: string } {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const accountToken = (key: KeyPair, name: string) =>
    token(operator, key, name, "account", {
      limits: {
        ...Object.fromEntries(
          ["subs", "conn", "leaf", "imports", "exports", "data", "payload"].map((n) => [n, -1]),
        ),
        ...Object.fromEntries(
          ["mem_storage", "disk_storage", "streams", "consumer"].map((
            n,
          ) => [n, name === "system" ? 0 : -1]),
        ),
        wildcards: true,
      },
    });
  const settings = {
    operator: token(operator, operator, "operator", "operator", {
      "system_account": system.getPublicKey(),
    }),
    "system_account": system.getPublicKey(),
    resolver: "MEMORY",
    "resolver_preload": {
      [account.getPublicKey()]: accountToken(account, "app"),
      [system.getPublicKey()]: accountToken(system, "system"),
    },
  };
  const userToken = token(account, user, "ada", "user", { subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  const block = (name: string, text: string) =>
    `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n\n`;
  return { settings, creds: block("NATS USER JWT", userToken) + block("USER NKEY SEED", seed) };
}

function token(
  issuer: KeyPair,
  subject: KeyPair,
  name: string,
  type: string,
  nats: Record<string, unknown>,
): string {
  const part = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
  const claims = {
    jti: crypto.randomUUID(),
    iat: 1,
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
    nats: { ...nats, type, version: 2 },
  };
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  const signature = issuer.sign(new TextEncoder().encode(signed));
  return `${signed}.${signature.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}
