import { deepStrictEqual as deepEqual, match, throws } from "node:assert/strict";
import { type NatsSettings, natsUrlFaults, readNatsUrl } from "../../../lib/events/nats_url.ts";

const read = (path: string) => `text of ${path}`;

const urls: [url: string, want: NatsSettings][] = [
  ["nats://localhost", { servers: ["localhost:4222"] }],
  ["nats://a:b%40c@h:1", { servers: ["h:1"], user: "a", password: "b@c" }],
  ["nats://t%3Aoken@h:1", { servers: ["h:1"], token: "t:oken" }],
  ["nats://a:b@h:1,i,[::1]:2,[::1]", {
    servers: ["h:1", "i:4222", "[::1]:2", "[::1]:4222"],
    user: "a",
    password: "b",
  }],
  ["tls://h/", { servers: ["h:4222"], tls: {} }],
  ["nats://h?creds=/c", { servers: ["h:4222"], creds: "text of /c" }],
  ["tls://h?tls_ca=/ca&tls_cert=/cert&tls_key=/key", {
    servers: ["h:4222"],
    tls: { ca: "text of /ca", cert: "text of /cert", key: "text of /key" },
  }],
  ["nats://a:b@h?inbox_prefix=_INBOX_a", {
    servers: ["h:4222"],
    user: "a",
    password: "b",
    inboxPrefix: "_INBOX_a",
  }],
];

for (const [url, want] of urls) {
  Deno.test(`readNatsUrl() reads ${url}`, () => deepEqual(readNatsUrl(url, read), want));
}

const faults: [url: string, fault: RegExp][] = [
  ["http://h", /must be nats:/],
  ["nats://", /must be nats:/],
  ["nats://h:99999", /"h:99999" is no host:port/],
  ["nats://%zz@h", /broken %-escape/],
  ["nats://h?user=a", /no such parameter: user/],
  ["nats://a:b@h?creds=/c", /only one can be meant/],
  ["tls://h?tls_cert=/c", /belong together/],
  ["nats://h?inbox_prefix=a.*", /without wildcards/],
];

for (const [url, fault] of faults) {
  Deno.test(`natsUrlFaults() tells what is wrong with ${url}`, () => {
    match(natsUrlFaults(url).join("; "), fault);
    throws(() => readNatsUrl(url, read), { code: "BAD_INPUT" });
  });
}

Deno.test("natsUrlFaults() shows no password", () => {
  const said = natsUrlFaults("nats://ada:secret@h:99999?user=a").join("; ");
  deepEqual(said.includes("secret"), false);
});

Deno.test("readNatsUrl() names a file that cannot be read", () => {
  const absent = () => {
    throw new Deno.errors.NotFound("not there");
  };
  throws(() => readNatsUrl("nats://h?creds=/c", absent), {
    code: "BAD_INPUT",
    message: /creds cannot be read: not there/,
  });
});
