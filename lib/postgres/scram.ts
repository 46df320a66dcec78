/**
 * Passwords: SCRAM-SHA-256 with and without channel binding (RFC 5802, RFC 7677, RFC 5929), md5.
 */

import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { AppError } from "../errors.ts";

export type ScramMechanism = "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS";

/** How this side stands to channel binding; it goes into the signed text, so nobody can strip it. */
export type ChannelBinding =
  /** We cannot bind: no TLS, or told not to. */
  | { readonly kind: "none" }
  /** We could, and the server did not offer it. */
  | { readonly kind: "unoffered" }
  /** Bound to the hash of the server's certificate. */
  | { readonly kind: "bound"; readonly endPoint: Uint8Array };

/** One login: `first`, then `final` with the server's answer, then `verify` with its last one. */
export class Scram {
  readonly mechanism: ScramMechanism;
  readonly #gs2: string;
  readonly #bare: string;
  readonly #binding: ChannelBinding;
  #signature: Uint8Array | null = null;

  /** `nonce` is fixed only by tests of published vectors. PostgreSQL ignores the name in it. */
  constructor(
    readonly password: string,
    binding: ChannelBinding,
    readonly nonce: string = randomBytes(18).toString("base64"),
    name = "",
  ) {
    this.mechanism = binding.kind === "bound" ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
    this.#gs2 = { none: "n,,", unoffered: "y,,", bound: "p=tls-server-end-point,," }[binding.kind];
    this.#bare = `n=${name},r=${nonce}`;
    this.#binding = binding;
  }

  first(): string {
    return this.#gs2 + this.#bare;
  }

  async final(serverFirst: string): Promise<string> {
    const match = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst);
    const [nonce, salt, count] = [match?.[1], match?.[2], Number(match?.[3])];
    if (!nonce || !salt || !nonce.startsWith(this.nonce) || nonce === this.nonce) {
      throw refused("the server's first message does not answer ours");
    }
    if (!(count >= 1 && count <= iterationsMax)) throw refused(`${count} iterations are asked for`);

    const salted = await saltPassword(this.password, Buffer.from(salt, "base64"), count);
    const clientKey = hmac(salted, "Client Key");
    const bound = this.#binding.kind === "bound" ? this.#binding.endPoint : new Uint8Array();
    const header = Buffer.concat([Buffer.from(this.#gs2), bound]).toString("base64");
    const withoutProof = `c=${header},r=${nonce}`;
    const signed = `${this.#bare},${serverFirst},${withoutProof}`;
    const clientSignature = hmac(sha256(clientKey), signed);
    this.#signature = hmac(hmac(salted, "Server Key"), signed);
    const proof = clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0));
    return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
  }

  /** Throws where the server did not know the password itself: somebody stands between. */
  verify(serverFinal: string): void {
    const given = Buffer.from(/^v=([^,]+)/.exec(serverFinal)?.[1] ?? "", "base64");
    const wanted = this.#signature;
    if (!wanted || given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      throw refused("the server could not prove that it knows the password");
    }
  }
}

/** 4096 is PostgreSQL's default; beyond this a server only burns our time. */
const iterationsMax = 10_000_000;

/** The answer to PostgreSQL's md5 request. */
export function md5Password(user: string, password: string, salt: Uint8Array): string {
  const md5 = (...parts: (string | Uint8Array)[]) => {
    const hash = createHash("md5");
    for (const part of parts) hash.update(part);
    return hash.digest("hex");
  };
  return "md5" + md5(md5(password, user), salt);
}

/**
 * RFC 4013 as far as PostgreSQL's own passwords need it. A text with characters that it forbids is
 * taken as it is, as PostgreSQL does.
 */
export function saslPrep(password: string): string {
  const mapped = password
    .replace(/[\u00AD\u034F\u1806\u180B-\u180D\u200B-\u200D\u2060\uFE00-\uFE0F\uFEFF]/g, "")
    .replace(/[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/g, " ");
  const prepared = mapped.normalize("NFKC");
  const forbidden =
    /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u200E\u200F\u202A-\u202E\u2066-\u206F\u2FF0-\u2FFB\uFFF9-\uFFFD]/u;
  return prepared === "" || forbidden.test(prepared) ? password : prepared;
}

/**
 * `tls-server-end-point`: the certificate hashed by the hash of its own signature, SHA-256 where
 * that is MD5 or SHA-1.
 */
export function endPointHash(certificate: Uint8Array): Uint8Array | null {
  const hash = signatureHash(certificate);
  return hash === null ? null : createHash(hash).update(certificate).digest();
}

/** The certificate's signature algorithm: the second part of the outer SEQUENCE. */
function signatureHash(der: Uint8Array): string | null {
  const outer = derAt(der, 0);
  const signed = outer && derAt(der, outer.from);
  const algorithm = signed && derAt(der, signed.to);
  const oid = algorithm && derAt(der, algorithm.from);
  if (!oid || !algorithm) return null;
  const hex = Buffer.from(der.subarray(oid.from, oid.to)).toString("hex");
  if (hex === rsaPss) {
    return pssHash(Buffer.from(der.subarray(oid.to, algorithm.to)).toString("hex"));
  }
  return SIGNATURE_HASHES[hex] ?? null;
}

function derAt(der: Uint8Array, at: number): { from: number; to: number } | null {
  const first = der[at + 1];
  if (first === undefined) return null;
  let [from, length] = [at + 2, first];
  if (first >= 0x80) {
    length = 0;
    for (let left = first & 0x7f; left > 0; left--) length = length * 256 + (der[from++] ?? 0);
  }
  return from + length <= der.length ? { from, to: from + length } : null;
}

const rsaPss = "2a864886f70d01010a";

/** By the bytes of the algorithm's oid. Ed25519 names no hash, so nothing can be bound to it. */
const SIGNATURE_HASHES: Readonly<Record<string, string>> = {
  "2a864886f70d010104": "sha256", // md5WithRSA
  "2a864886f70d010105": "sha256", // sha1WithRSA
  "2a864886f70d01010e": "sha224",
  "2a864886f70d01010b": "sha256",
  "2a864886f70d01010c": "sha384",
  "2a864886f70d01010d": "sha512",
  "2a8648ce3d0401": "sha256", // ecdsa-with-SHA1
  "2a8648ce3d040301": "sha224",
  "2a8648ce3d040302": "sha256",
  "2a8648ce3d040303": "sha384",
  "2a8648ce3d040304": "sha512",
};

/** RSA-PSS names its hash in its parameters; absent means SHA-1, for which SHA-256 stands in. */
function pssHash(parameters: string): string {
  const named = /60864801650304020([1-4])/.exec(parameters)?.[1];
  return { "1": "sha256", "2": "sha384", "3": "sha512", "4": "sha224" }[named ?? "1"] ?? "sha256";
}

function saltPassword(password: string, salt: Uint8Array, count: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) =>
    pbkdf2(saslPrep(password), salt, count, 32, "sha256", (error, key) => {
      if (error) reject(error);
      else resolve(key);
    })
  );
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function refused(what: string): AppError {
  return new AppError("UNAVAILABLE", `the login at PostgreSQL was broken off: ${what}`, {
    hint: "check that nobody stands between this program and PostgreSQL; sslmode=verify-full does",
  });
}
