/** Certificates made for one test run by openssl. */

import { join } from "node:path";

export interface Certificates {
  readonly ca: string;
  readonly otherCa: string;
  /** For the name `localhost`. */
  readonly server: { readonly cert: string; readonly key: string };
  /** For the user `cert_user`. */
  readonly client: { readonly cert: string; readonly key: string };
  remove(): Promise<void>;
}

export async function makeCertificates(): Promise<Certificates> {
  const folder = await Deno.makeTempDir({ prefix: "certificates" });
  const path = (name: string) => join(folder, name);
  const newKey = ["-newkey", "rsa:2048", "-nodes"];
  for (const ca of ["ca", "other_ca"]) {
    // deno-fmt-ignore: one option and its value stay together
    await openssl("req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${ca}`,
      "-keyout", path(`${ca}.key`), "-out", path(`${ca}.pem`));
  }
  for (const [name, subject] of [["server", "localhost"], ["client", "cert_user"]]) {
    await Deno.writeTextFile(path(`${name}.ext`), `subjectAltName=DNS:${subject}\n`);
    // deno-fmt-ignore: one option and its value stay together
    await openssl("req", ...newKey, "-subj", `/CN=${subject}`,
      "-keyout", path(`${name}.key`), "-out", path(`${name}.csr`));
    // deno-fmt-ignore: one option and its value stay together
    await openssl("x509", "-req", "-days", "2", "-sha384", "-in", path(`${name}.csr`),
      "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
      "-extfile", path(`${name}.ext`), "-out", path(`${name}.pem`));
  }
  return {
    ca: path("ca.pem"),
    otherCa: path("other_ca.pem"),
    server: { cert: path("server.pem"), key: path("server.key") },
    client: { cert: path("client.pem"), key: path("client.key") },
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}

/** A certificate in DER that is signed by these options of openssl. */
export async function makeDer(...options: string[]): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir({ prefix: "certificates" });
  const path = join(folder, "cert.der");
  // deno-fmt-ignore: one option and its value stay together
  await openssl("req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test", ...options,
    "-keyout", join(folder, "key.pem"), "-outform", "der", "-out", path);
  const der = await Deno.readFile(path);
  await Deno.remove(folder, { recursive: true });
  return der;
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args }).output()
    .catch((cause) => {
      throw new Error("these tests need openssl on PATH (apt-get install openssl)", { cause });
    });
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
