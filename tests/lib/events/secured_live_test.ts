import { match, ok, rejects } from "node:assert/strict";
import { connectNats } from "../../../lib/events/connect.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { makeCertificates } from "../postgres/certificates.ts";
import { connectTo, testLimits } from "../../services/nats.ts";
import { makeCredentials, startSecured } from "./secured.ts";

Deno.test("connectNats() takes TLS with the authority that is named, and a client's certificate", async () => {
  const { ca, otherCa, server: cert, client, remove } = await makeCertificates();
  const tls = { "cert_file": cert.cert, "key_file": cert.key, "ca_file": ca, verify: true };
  const server = await startSecured({ tls });
  try {
    const own = `tls_cert=${client.cert}&tls_key=${client.key}`;
    const nats = await connectTo(`tls://${server.host}?tls_ca=${ca}&${own}`);
    await migrateNats(nats, testLimits);
    await nats.close();

    for (const query of [`tls_ca=${otherCa}&${own}`, own]) {
      await rejects(
        connectTo(`tls://${server.host}?${query}`),
        (error: Error & { hint?: string }) => {
          match(error.message, /TLS fails/);
          match(error.hint ?? "", /tls_ca=<file>/);
          return true;
        },
      );
    }
    // The alert comes after the handshake; without a listener it would end the program.
    const settings = readNatsUrl(`tls://${server.host}?tls_ca=${ca}`);
    const log = createLog("error");
    for (let n = 0; n < 10; n++) {
      await rejects(connectNats({ settings, name: "test", log, wait: false, answerMsMax: 100 }), {
        hint: /tls_cert and tls_key/,
      });
    }
  } finally {
    await server.stop();
    await remove();
  }
});

Deno.test("connectNats() takes a credentials file", async () => {
  const { settings, creds } = makeCredentials();
  const server = await startSecured(settings);
  const path = await Deno.makeTempFile({ suffix: ".creds" });
  try {
    await Deno.writeTextFile(path, creds);
    const nats = await connectTo(`nats://${server.host}?creds=${path}`);
    ok((await migrateNats(nats, testLimits)).length > 0);
    await nats.close();
    await Deno.writeTextFile(path, makeCredentials().creds);
    await rejects(connectTo(`nats://${server.host}?creds=${path}`), { code: "UNAUTHENTICATED" });
  } finally {
    await server.stop();
    await Deno.remove(path);
  }
});

Deno.test("connectNats() takes a token", async () => {
  const server = await startSecured({ authorization: { token: "a:b/c" } });
  try {
    await (await connectTo(`nats://a%3Ab%2Fc@${server.host}`)).close();
    await rejects(connectTo(`nats://other@${server.host}`), { code: "UNAUTHENTICATED" });
  } finally {
    await server.stop();
  }
});
