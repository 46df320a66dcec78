/** Logging in, each way that a server may ask for it. */

import { match, rejects, strictEqual as equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "../../../lib/postgres/connection.ts";
import { endPointHash } from "../../../lib/postgres/scram.ts";
import { makeCertificates, makeDer } from "./certificates.ts";
import { deadPort, TestServer } from "./server.ts";

/** Whatever a password may hold; `%` and `@` are what URLs stumble over. */
const oddPassword = "@:/%#? 'ü€\"\\&=+";

const server = await TestServer.start();
const files = await makeCertificates();
await server.useTls({ ...files.server, ca: files.ca });
await server.sql(`
  drop role if exists trust_user, clear_user, md5_user, scram_user, tls_user, plain_user, cert_user;
  drop role if exists "ödd@user";
  create role trust_user login; create role cert_user login;
  create role clear_user login password 'clear';
  create role plain_user login password 'plain';
  create role tls_user login password 'tls';
  create role scram_user login password '${oddPassword.replaceAll("'", "''")}';
  create role "ödd@user" login password 'odd';
  set password_encryption = 'md5';
  create role md5_user login password '${oddPassword.replaceAll("'", "''")}'`);
await server.sql("drop database if exists ascii");
await server.sql("create database ascii encoding 'SQL_ASCII' locale 'C' template template0");
await server.allow([
  "local   all trust_user            trust",
  "local   all no_login,nobody_is_this trust",
  "host    all trust_user  all       trust",
  "host    all clear_user  all       password",
  "host    all md5_user    all       md5",
  "hostssl all tls_user    all       scram-sha-256",
  "hostssl all cert_user   all       cert",
  "hostnossl all plain_user all      scram-sha-256",
  "host    all tls_user,cert_user,plain_user all reject",
]);

Deno.test.afterAll(async () => {
  await files.remove();
  await server.stop();
});

const odd = encodeURIComponent(oddPassword);
const [ca, otherCa] = [files.ca, files.otherCa].map(encodeURIComponent);
const clientFiles = `sslcert=${encodeURIComponent(files.client.cert)}&sslkey=${
  encodeURIComponent(files.client.key)
}`;

const encrypted = "select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()";

const accepted: [name: string, url: string, tls: boolean][] = [
  ["trust, by TLS where it is offered", server.at("trust_user", "postgres"), true],
  ["sslmode=disable", server.at("trust_user", "postgres?sslmode=disable"), false],
  ["sslmode=allow, plain at first", server.at("trust_user", "postgres?sslmode=allow"), false],
  [
    "sslmode=allow where only TLS gets in",
    server.at("tls_user:tls", "postgres?sslmode=allow"),
    true,
  ],
  ["sslmode=prefer where only plain gets in", server.at("plain_user:plain", "postgres"), false],
  ["sslmode=require without authority", server.at("trust_user", "postgres?sslmode=require"), true],
  [
    "sslmode=verify-ca whatever the name",
    server.at("trust_user", `postgres?sslmode=verify-ca&sslrootcert=${ca}`, "127.0.0.1"),
    true,
  ],
  [
    "sslmode=verify-full with the right name",
    server.at("trust_user", `postgres?sslmode=verify-full&sslrootcert=${ca}`),
    true,
  ],
  ["a cleartext password", server.at("clear_user:clear", "postgres"), true],
  ["an md5 password of any characters", server.at(`md5_user:${odd}`, "postgres"), true],
  [
    "SCRAM without TLS, and a password of any characters",
    server.at(`scram_user:${odd}`, "postgres?sslmode=disable"),
    false,
  ],
  [
    "SCRAM bound to TLS",
    server.at(`scram_user:${odd}`, "postgres?channel_binding=require"),
    true,
  ],
  [
    "SCRAM over TLS, not bound",
    server.at(`scram_user:${odd}`, "postgres?channel_binding=disable"),
    true,
  ],
  ["a user with a name of any characters", server.at("%C3%B6dd%40user:odd", "postgres"), true],
  ["a client certificate", server.at("cert_user", `postgres?${clientFiles}`), true],
  [
    "a unix socket by its folder",
    `postgres://trust_user@/postgres?host=${server.socketFolder}&port=${server.port}`,
    false,
  ],
  [
    "a unix socket by its file",
    `postgres://trust_user@/postgres?host=${server.socketFolder}/.s.PGSQL.${server.port}`,
    false,
  ],
  [
    "a unix socket in the place of the host",
    `postgres://trust_user@${encodeURIComponent(server.socketFolder)}:${server.port}/postgres`,
    false,
  ],
  [
    "the second host where nobody is at the first",
    `postgres://trust_user@127.0.0.1:${deadPort()},127.0.0.1:${server.port}/postgres`,
    true,
  ],
  [
    "target_session_attrs=read-write",
    server.at("trust_user", "postgres?target_session_attrs=read-write"),
    true,
  ],
  [
    "target_session_attrs=prefer-standby without a standby",
    server.at("trust_user", "postgres?target_session_attrs=prefer-standby"),
    true,
  ],
];

for (const [name, url, tls] of accepted) {
  Deno.test(`connect() takes ${name}`, async () => {
    const connection = await connect({ url });
    try {
      equal((await connection.query(encrypted))[0]?.[0], tls ? "t" : "f");
    } finally {
      await connection.close();
    }
  });
}

const refused: [name: string, url: string, code: string, message: RegExp][] = [
  [
    "a wrong password",
    server.at("scram_user:wrong", "postgres"),
    "BAD_INPUT",
    /refused the password of user scram_user/,
  ],
  ["a wrong md5 password", server.at("md5_user:wrong", "postgres"), "BAD_INPUT", /md5_user/],
  ["no password", server.at("scram_user", "postgres"), "BAD_INPUT", /asks for the password/],
  ["an unknown user", server.at("nobody_knows:x", "postgres"), "BAD_INPUT", /nobody_knows/],
  ["an unknown database", server.at("trust_user", "nope"), "BAD_INPUT", /no database nope/],
  [
    "a database whose encoding is SQL_ASCII",
    server.at("trust_user", "ascii"),
    "BAD_INPUT",
    /ASCII/,
  ],
  [
    "a user that may not come without TLS",
    server.at("tls_user:tls", "postgres?sslmode=disable"),
    "BAD_INPUT",
    /pg_hba\.conf/,
  ],
  ["no client certificate", server.at("cert_user", "postgres"), "BAD_INPUT", /certificate/],
  [
    "sslmode=verify-full with another name",
    server.at("trust_user", `postgres?sslmode=verify-full&sslrootcert=${ca}`, "127.0.0.1"),
    "BAD_INPUT",
    /TLS .* failed/,
  ],
  [
    "sslmode=verify-ca with another authority",
    server.at("trust_user", `postgres?sslmode=verify-ca&sslrootcert=${otherCa}`),
    "BAD_INPUT",
    /TLS .* failed/,
  ],
  [
    "sslmode=require with another authority",
    server.at("trust_user", `postgres?sslmode=require&sslrootcert=${otherCa}`),
    "BAD_INPUT",
    /TLS .* failed/,
  ],
  [
    "sslmode=verify-full with an authority that nobody knows",
    server.at("trust_user", "postgres?sslmode=verify-full"),
    "BAD_INPUT",
    /TLS .* failed/,
  ],
  [
    "an sslrootcert without a certificate",
    server.at("trust_user", "postgres?sslmode=verify-ca&sslrootcert=/etc/hostname"),
    "BAD_INPUT",
    /sslrootcert holds no certificate: \/etc\/hostname/,
  ],
  [
    "an sslrootcert that is not there",
    server.at("trust_user", "postgres?sslmode=verify-ca&sslrootcert=/nowhere.pem"),
    "BAD_INPUT",
    /sslrootcert/,
  ],
  [
    "channel_binding=require where no login is asked for",
    server.at("trust_user", "postgres?channel_binding=require"),
    "BAD_INPUT",
    /did not bind/,
  ],
  [
    "channel_binding=require without TLS",
    server.at(`scram_user:${odd}`, "postgres?channel_binding=require&sslmode=disable"),
    "BAD_INPUT",
    /did not bind/,
  ],
  [
    "a host where nobody is",
    `postgres://trust_user@127.0.0.1:${deadPort()}/postgres`,
    "UNAVAILABLE",
    /no PostgreSQL at 127\.0\.0\.1/,
  ],
  [
    "a name that nobody knows",
    "postgres://trust_user@nowhere.invalid/postgres",
    "UNAVAILABLE",
    /no PostgreSQL at nowhere\.invalid/,
  ],
  [
    "a socket that is not there",
    "postgres://trust_user@/postgres?host=/nowhere",
    "UNAVAILABLE",
    /\/nowhere\/\.s\.PGSQL\.5432/,
  ],
  [
    "a standby where there is none",
    server.at("trust_user", "postgres?target_session_attrs=standby"),
    "UNAVAILABLE",
    /standby/,
  ],
];

for (const [name, url, code, message] of refused) {
  Deno.test(`connect() refuses ${name} as ${code}`, async () => {
    await rejects(connect({ url }), (error: Error & { code?: string; hint?: string }) => {
      equal(error.code, code, error.stack);
      match(error.message, message);
      equal(typeof error.hint, "string");
      return true;
    });
  });
}

for (const login of ["nobody_is_this", "no_login"]) {
  Deno.test(`connect() says to look at DATABASE_URL where the role is ${login}`, async () => {
    await server.sql("drop role if exists no_login; create role no_login nologin");
    // Without a password in question PostgreSQL says why.
    await rejects(
      connect({
        url: `postgres://${login}@/postgres?host=${server.socketFolder}&port=${server.port}`,
      }),
      { code: "BAD_INPUT", hint: /user and password in DATABASE_URL/ },
    );
  });
}

const signatures: [name: string, options: string[], hash: string | null][] = [
  ["RSA with SHA-256", ["-newkey", "rsa:2048", "-sha256"], "sha256"],
  ["RSA with SHA-512", ["-newkey", "rsa:2048", "-sha512"], "sha512"],
  ["RSA with SHA-1, too weak", ["-newkey", "rsa:2048", "-sha1"], "sha256"],
  [
    "RSA-PSS with SHA-384",
    ["-newkey", "rsa:2048", "-sha384", "-sigopt", "rsa_padding_mode:pss"],
    "sha384",
  ],
  [
    "ECDSA with SHA-384",
    ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
    "sha384",
  ],
  ["Ed25519, which names no hash", ["-newkey", "ed25519"], null],
];

for (const [name, options, hash] of signatures) {
  Deno.test(`endPointHash() of a certificate signed by ${name} is ${hash}`, async () => {
    const der = await makeDer(...options);
    const want = hash && createHash(hash).update(der).digest("hex");
    equal(
      endPointHash(der)?.reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), "") ??
        null,
      want,
    );
  });
}

Deno.test("connect() names every host where nobody is at any", async () => {
  const [one, two] = [deadPort(), deadPort()];
  await rejects(connect({ url: `postgres://u@127.0.0.1:${one},127.0.0.1:${two}/d` }), {
    code: "UNAVAILABLE",
    message: new RegExp(`127.0.0.1:${one}.*; .*127.0.0.1:${two}`),
  });
});

Deno.test("connect() gives its options and name on to the server", async () => {
  const url = server.at(
    "trust_user",
    "postgres?application_name=shop%20window&options=-c%20search_path%3Dpg_catalog",
  );
  const connection = await connect({ url });
  const [row] = await connection.query(
    "select current_setting('application_name'), current_setting('search_path')",
  );
  await connection.close();
  equal(row?.join(), "shop window,pg_catalog");
});

Deno.test("connect() fixes the forms of values, whatever the role has set", async () => {
  await server.sql(`alter role trust_user set timezone = 'Asia/Tokyo';
    alter role trust_user set datestyle = 'German'; alter role trust_user set bytea_output = escape`);
  const connection = await connect({ url: server.at("trust_user", "postgres") });
  const [row] = await connection.query(
    "select '2026-01-02 03:04:05+00'::timestamptz, '\\x01'::bytea, '90 min'::interval",
  );
  await connection.close();
  await server.sql("alter role trust_user reset all");
  equal(row?.join(), "2026-01-02 03:04:05+00,\\x01,PT1H30M");
});

Deno.test("connect() has PostgreSQL look whether we are still there", async () => {
  const connection = await connect({ url: server.url });
  const [row] = await connection.query("show client_connection_check_interval");
  await connection.close();
  equal(row?.[0], "1s");
});

const attrs: [attrs: string, readOnly: boolean, fits: boolean][] = [
  ["read-write", true, false],
  ["read-write", false, true],
  ["read-only", true, true],
  ["read-only", false, false],
  ["primary", true, true],
];

for (const [name, readOnly, fits] of attrs) {
  const kind = readOnly ? "a read-only" : "a writable";
  Deno.test(`connect() for ${name} ${fits ? "takes" : "passes over"} ${kind} server`, async () => {
    const options = `options=-c%20default_transaction_read_only%3D${readOnly ? "on" : "off"}`;
    const url = server.at("trust_user", `postgres?target_session_attrs=${name}&${options}`);
    // Our own setting must not answer for the server's.
    const connecting = connect({ url, readOnly: true });
    if (fits) await (await connecting).close();
    else await rejects(connecting, { code: "UNAVAILABLE", message: new RegExp(name) });
  });
}

Deno.test("connect() with readOnly lets nobody write", async () => {
  const connection = await connect({ url: server.url, readOnly: true });
  await rejects(connection.query("create table t (a int)"), { code: "UNSUPPORTED" });
  await connection.close();
});

Deno.test("connect() ends when its signal is aborted", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const connecting = connect({
    url: `postgres://u@127.0.0.1:${listener.addr.port}/d`,
    signal: stop.signal,
  });
  const conn = await listener.accept();
  stop.abort();
  await rejects(connecting, { code: "CANCELLED" });
  conn.close();
  listener.close();
});

Deno.test("query() runs several statements as one transaction and gives their rows", async () => {
  const connection = await server.connect();
  try {
    equal((await connection.query("select 1; select 2, null")).join(";"), "1;2,");
    await rejects(connection.query("create table gone (a int); select 1/0"), { code: "INTERNAL" });
    equal((await connection.query("select to_regclass('gone')"))[0]?.[0], null);
  } finally {
    await connection.close();
  }
});

Deno.test("query() takes parameters, and keeps PostgreSQL's error as the cause", async () => {
  const connection = await server.connect();
  try {
    equal((await connection.query("select $1::text || $2::int", ["ü€", "7"]))[0]?.[0], "ü€7");
    await rejects(connection.query("select $1::int", ["seven"]), (error: Error) => {
      const cause = error.cause as { sqlState?: string; fields?: { routine?: string } };
      equal(cause.sqlState, "22P02");
      equal(typeof cause.fields?.routine, "string");
      return true;
    });
    equal((await connection.query("select 1"))[0]?.[0], "1");
  } finally {
    await connection.close();
  }
});

for (const parameters of [[], ["1"]]) {
  Deno.test(`query() refuses COPY with ${parameters.length} parameters and goes on`, async () => {
    const connection = await server.connect();
    try {
      await connection.query("create temp table copied (a int)");
      await rejects(connection.query("copy copied from stdin", parameters));
      equal((await connection.query("copy (select 1) to stdout")).length, 0);
      equal((await connection.query("select 2"))[0]?.[0], "2");
    } finally {
      await connection.close();
    }
  });
}

Deno.test("connection.notices holds what PostgreSQL remarked", async () => {
  const connection = await server.connect();
  await connection.query("drop table if exists nobody_has_this");
  await connection.close();
  match(connection.notices[0]?.message ?? "", /nobody_has_this/);
});

Deno.test("onNotification is told of NOTIFY while the connection is watched", async () => {
  let told: (payload: string) => void;
  const heard = new Promise<string>((resolve) => told = resolve);
  const connection = await connect({
    url: server.url,
    onNotification: ({ channel, payload }) => told(`${channel}: ${payload}`),
  });
  await connection.query("listen news");
  connection.watch(() => {});
  await server.sql("notify news, 'it rains'");
  equal(await heard, "news: it rains");
  await connection.close();
});
