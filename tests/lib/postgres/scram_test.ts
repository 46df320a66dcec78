import {
  notStrictEqual as notEqual,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { Buffer } from "node:buffer";
import { endPointHash, md5Password, saslPrep, Scram } from "../../../lib/postgres/scram.ts";

const none = { kind: "none" } as const;

/** RFC 7677, section 3. */
const rfc7677 = {
  clientNonce: "rOprNGfwEbeRWgbNEkqO",
  clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  serverFirst:
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal:
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

function scramOfRfc(): Scram {
  return new Scram("pencil", none, rfc7677.clientNonce, "user");
}

Deno.test("Scram follows the exchange of RFC 7677", async () => {
  const scram = scramOfRfc();
  equal(scram.mechanism, "SCRAM-SHA-256");
  equal(scram.first(), rfc7677.clientFirst);
  equal(await scram.final(rfc7677.serverFirst), rfc7677.clientFinal);
  scram.verify(rfc7677.serverFinal);
});

const impostors: [name: string, serverFinal: string][] = [
  ["another signature", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl94G4="],
  ["no signature", ""],
  ["a short signature", "v=6rri"],
  ["an error", "e=invalid-proof"],
];

for (const [name, serverFinal] of impostors) {
  Deno.test(`Scram.verify() refuses a server that answers with ${name}`, async () => {
    const scram = scramOfRfc();
    await scram.final(rfc7677.serverFirst);
    throws(() => scram.verify(serverFinal), { name: "AppError", code: "UNAVAILABLE" });
  });
}

Deno.test("Scram.verify() refuses a signature before our proof was made", () => {
  throws(() => scramOfRfc().verify(rfc7677.serverFinal), { code: "UNAVAILABLE" });
});

const badFirsts: [name: string, serverFirst: string][] = [
  ["another nonce", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"],
  ["our nonce alone", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"],
  ["no iterations", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0"],
  ["iterations without end", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000"],
  ["no salt", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096"],
  ["nonsense", "hello"],
];

for (const [name, serverFirst] of badFirsts) {
  Deno.test(`Scram.final() refuses ${name}`, async () => {
    await rejects(scramOfRfc().final(serverFirst), { name: "AppError", code: "UNAVAILABLE" });
  });
}

Deno.test("Scram says whether it is bound to TLS, in what it signs", async () => {
  const bindings = [
    none,
    { kind: "unoffered" },
    { kind: "bound", endPoint: new Uint8Array([1, 2]) },
  ] as const;
  const firsts = bindings.map((binding) => new Scram("x", binding, "abc").first());
  equal(firsts.join(" "), "n,,n=,r=abc y,,n=,r=abc p=tls-server-end-point,,n=,r=abc");
  const finals = await Promise.all(
    bindings.map((binding) => new Scram("x", binding, "abc").final("r=abcd,s=AAAA,i=1")),
  );
  const headers = finals.map((final) =>
    Buffer.from(/^c=([^,]*)/.exec(final)?.[1] ?? "", "base64").toString("latin1")
  );
  equal(headers.join(" "), "n,, y,, p=tls-server-end-point,,\x01\x02");
});

Deno.test("Scram takes another nonce each time", () => {
  notEqual(new Scram("x", none).first(), new Scram("x", none).first());
});

const prepared: [password: string, prepared: string][] = [
  ["plain", "plain"],
  ["I\u00ADX", "IX"],
  ["\u2168", "IX"],
  ["\u00AA", "a"],
  ["a\u00A0b", "a b"],
  ["ü€ ' @", "ü€ ' @"],
  ["u\u0308", "ü"],
  ["\u0007bell", "\u0007bell"],
  ["\u00AD", "\u00AD"],
];

for (const [password, want] of prepared) {
  Deno.test(`saslPrep(${JSON.stringify(password)}) is ${JSON.stringify(want)}`, () => {
    equal(saslPrep(password), want);
  });
}

Deno.test("md5Password() answers as libpq does", () => {
  // By Python's hashlib: md5(md5(password + user) + salt).
  const answer = md5Password("postgres", "secret", new Uint8Array([1, 2, 3, 4]));
  equal(answer, "md5bb41a296aab6baccb36ff243a562abff");
});

Deno.test("endPointHash() gives nothing for what is no certificate", () => {
  equal(endPointHash(new Uint8Array()), null);
  equal(endPointHash(new Uint8Array([0x30, 0x03, 0x02, 0x01, 0x01])), null);
  equal(endPointHash(new Uint8Array([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])), null);
});
