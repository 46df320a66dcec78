/** The confined publisher where PostgreSQL is reached by a file, or its certificate is checked by one. */

import { strictEqual as equal } from "node:assert/strict";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { startPublisherWorker } from "../../../lib/observer/start_worker.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { makeCertificates } from "../postgres/certificates.ts";
import { TestServer } from "../postgres/server.ts";
import { storedEvents } from "./observed.ts";

const nats = await testNats();
const server = await TestServer.start();
const files = await makeCertificates();
await server.useTls({ ...files.server, ca: files.ca });
// What a run that was killed left.
for (
  const [name] of await server.sql("select datname from pg_database where datname like 'worker_%'")
) {
  await server.sql(`drop database "${name}" with (force)`);
}
await server.sql("drop role if exists cert_user");
await server.sql("create role cert_user login superuser");
await server.allow([
  "local   all cert_user            trust",
  "hostssl all cert_user  all       cert",
  "host    all cert_user  all       reject",
]);

Deno.test.afterAll(async () => {
  await files.remove();
  await server.stop();
});

const file = encodeURIComponent;
const ways: readonly [name: string, url: (database: string) => string][] = [
  [
    "a unix socket",
    (database) =>
      `postgres://cert_user@/${database}?host=${server.socketFolder}&port=${server.port}`,
  ],
  [
    "a root certificate and a certificate of its own",
    (database) =>
      server.at(
        "cert_user",
        `${database}?sslmode=verify-full&sslrootcert=${file(files.ca)}` +
          `&sslcert=${file(files.client.cert)}&sslkey=${file(files.client.key)}`,
      ),
  ],
];

for (const [name, urlOf] of ways) {
  Deno.test(`startWorker() publishes by ${name}`, async () => {
    const database = `worker_${crypto.randomUUID().slice(0, 8)}`;
    await server.sql(`create database ${database}`);
    const url = urlOf(database);
    const natsUrl = await nats.createAccount();
    const admin = await connectTo(natsUrl);
    await migrateNats(admin, testLimits);
    const connection = await connect({ url });
    await connection.query("create table t (id int primary key)");
    await captured(url, ["t"]);
    await connection.query("insert into t values (1), (2)");
    await connection.close();

    const published = Promise.withResolvers<void>();
    const worker = startPublisherWorker({
      database: parseUrl(url),
      nats: readNatsUrl(natsUrl),
      limits: testLimits,
      logLevel: "error",
      startOver: null,
    }, ({ events, kind, lastError }) => {
      if (kind === "waiting") published.reject(new Error(lastError ?? ""));
      if (kind === "asleep" && events === 2) published.resolve();
    });
    await Promise.race([published.promise, worker.ended]);
    await worker.stop(10_000);
    equal((await storedEvents(admin)).length, 2);
    await admin.close();
    await server.sql(`drop database ${database} with (force)`);
  });
}
