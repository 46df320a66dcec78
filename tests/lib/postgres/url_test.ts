import {
  deepStrictEqual as deepEqual,
  match,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { userInfo } from "node:os";
import { type AppError } from "../../../lib/errors.ts";
import {
  parseUrl,
  placeName,
  serverName,
  socketPath,
  urlFaults,
} from "../../../lib/postgres/url.ts";

type Parts = Partial<ReturnType<typeof parseUrl>>;

const local = [{ host: "localhost", port: 5432 }];
const me = userInfo().username;

const read: [url: string, parts: Parts][] = [
  ["postgres://", { servers: local, user: me, password: null, database: me, sslMode: "prefer" }],
  ["postgresql://u@h/d", { servers: [{ host: "h", port: 5432 }], user: "u", database: "d" }],
  ["postgres://u@h", { database: "u" }],
  ["postgres://u:p@h:1/d", { password: "p", servers: [{ host: "h", port: 1 }] }],
  ["postgres://u:@h/d", { password: "" }],
  ["postgres://u:p%40%3A%2F%25%23%3F%20'%C3%BC@h/d", { password: "p@:/%#? 'ü" }],
  ["postgres://u:p@ss:w@h/d", { user: "u", password: "p@ss:w" }],
  ["postgres://u:a+b@h/d", { password: "a+b" }],
  ["postgres://%C3%BC%40@h/d%2Fe", { user: "ü@", database: "d/e" }],
  ["postgres://u@[::1]:5433/d", { servers: [{ host: "::1", port: 5433 }] }],
  ["postgres://u@a:1,b:2,[::1]/d", {
    servers: [{ host: "a", port: 1 }, { host: "b", port: 2 }, { host: "::1", port: 5432 }],
  }],
  ["postgres://u@a:7,b/d?port=1,2", { servers: [{ host: "a", port: 1 }, { host: "b", port: 2 }] }],
  ["postgres:///d?host=a,b&port=9", { servers: [{ host: "a", port: 9 }, { host: "b", port: 9 }] }],
  ["postgres://u@/d?host=/run/pg", { servers: [{ host: "/run/pg", port: 5432 }] }],
  ["postgres://u@%2Frun%2Fpg:5433/d", { servers: [{ host: "/run/pg", port: 5433 }] }],
  ["postgres://x@h/y?user=u&password=p&dbname=d", { user: "u", password: "p", database: "d" }],
  ["postgres://u@h/d?sslmode=verify-full&sslrootcert=/a%20b.pem", {
    sslMode: "verify-full",
    sslRootCert: "/a b.pem",
  }],
  ["postgres://u@h/d?sslrootcert=system", { sslMode: "verify-full", sslRootCert: "system" }],
  ["postgres://u@h/d?sslcert=c&sslkey=k", { sslCert: "c", sslKey: "k" }],
  ["postgres://u@h/d?application_name=a%26b&options=-c%20x%3D1", {
    applicationName: "a&b",
    options: "-c x=1",
  }],
  ["postgres://u@h/d?connect_timeout=5", { connectTimeoutMs: 5000 }],
  ["postgres://u@h/d?connect_timeout=1", { connectTimeoutMs: 2000 }],
  ["postgres://u@h/d?connect_timeout=0", { connectTimeoutMs: null }],
  ["postgres://u@h/d?target_session_attrs=read-write", { targetSessionAttrs: "read-write" }],
  ["postgres://u@h/d?channel_binding=require", { channelBinding: "require" }],
  ["postgres://u@h/d?", { targetSessionAttrs: "any", channelBinding: "prefer" }],
];

for (const [url, parts] of read) {
  Deno.test(`parseUrl() reads ${url}`, () => {
    const target = parseUrl(url);
    const found = Object.fromEntries(
      Object.keys(parts).map((key) => [key, target[key as keyof Parts]]),
    );
    deepEqual(found, parts);
  });
}

const refused: [url: string, message: RegExp][] = [
  ["mysql://h/d", /must begin with postgres/],
  ["host=h dbname=d", /must begin with postgres/],
  ["postgres://u@h:port/d", /port must be a number/],
  ["postgres://u@h:0/d", /port must be a number/],
  ["postgres://u@h:65536/d", /port must be a number/],
  ["postgres://u:secret/word@h/d", /port must be a number/],
  ["postgres://u:12/secret@h/d", /an @ after the first \//],
  ["postgres://u:12/a?secret@h/d", /an @ after the first \?/],
  ["postgres://u:12?secret@h/d", /an @ after the first \?/],
  ["postgres://u:12?x=1&secret=2@h/d", /an @ after the first \?/],
  ["postgres://u:secret%@h/d", /the password has a %/],
  ["postgres://u:secret%00@h/d", /the password has a %/],
  ["postgres://u@[::1/d", /cannot be told apart/],
  ["postgres://u@a,b/d?port=1,2,3", /2 hosts and 3 ports/],
  ["postgres://u@h/d?sslmode=on", /sslmode must be one of disable, allow, prefer/],
  ["postgres://u@h/d?sslmod=require", /"sslmod" is not supported, did you mean sslmode\?/],
  ["postgres://u@h/d?pgbouncer=true", /"pgbouncer" is not supported/],
  ["postgres://u@h/d?sslmode", /sslmode has no value/],
  ["postgres://u@h/d?sslcert=c", /given together/],
  ["postgres://u@h/d?sslrootcert=system&sslmode=require", /needs sslmode=verify-full/],
  ["postgres://u@h/d?connect_timeout=soon", /whole number/],
  ["postgres://u@h/d?target_session_attrs=primary,standby", /target_session_attrs must be one of/],
];

for (const [url, message] of refused) {
  Deno.test(`parseUrl() refuses ${url}`, () => {
    throws(() => parseUrl(url), (error: AppError) => {
      equal(error.code, "BAD_INPUT");
      match(error.message, message);
      equal(/secret/.test(error.message + error.hint), false);
      return true;
    });
  });
}

Deno.test("urlFaults() tells all faults of a URL, each with its remedy", () => {
  const url = "postgres://u:p%@h:port/d?sslmode=on&connect_timeout=soon&sslmod=x&pgbouncer=1";
  const faults = urlFaults(url);
  const wanted = [
    /"sslmod" is not supported, did you mean sslmode/,
    /"pgbouncer" is not.*supported/,
  ];
  wanted.push(/password has a %.*%25/, /sslmode must be one of/, /port must.*percent-encoded/);
  wanted.push(/connect_timeout must be/);
  equal(faults.length, wanted.length, faults.join("\n"));
  wanted.forEach((words, index) => match(faults[index] ?? "", words));
  throws(() => parseUrl(url), { message: /sslmod".*%.*sslmode.*port.*connect_timeout/ });
  deepEqual(urlFaults("postgres://u:p@h/d?connect_timeout=5"), []);
});

Deno.test("placeName() names servers and database, and neither user nor password", () => {
  const url = "postgres://user:word@a:1,[::1]/shop?password=secret";
  equal(placeName(parseUrl(url)), "database shop at a:1, [::1]:5432");
});

Deno.test("parseUrl() lists the parameters that it knows", () => {
  throws(() => parseUrl("postgres://h/d?x=1"), { hint: /application_name.*sslmode.*user/ });
});

Deno.test("serverName() and socketPath() name a place as people do", () => {
  equal(serverName({ host: "h", port: 1 }), "h:1");
  equal(serverName({ host: "::1", port: 1 }), "[::1]:1");
  equal(serverName({ host: "/run/pg/", port: 1 }), "/run/pg/.s.PGSQL.1");
  equal(socketPath({ host: "/run/.s.PGSQL.77", port: 1 }), "/run/.s.PGSQL.77");
});
