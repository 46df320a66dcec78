import { deepStrictEqual as equal, match } from "node:assert/strict";
import { connectTo } from "../services/nats.ts";
import { command, folder, run, serve, until } from "./serve.ts";

Deno.test("serve takes events of a producer that may do nothing else, and tells of them", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: `${dir.path}/data` };
  await using served = await serve(env, dir.path);
  await until(
    async () => await (await fetch(`${served.http}/readiness`)).json(),
    ({ parts }) => parts.publisher === "ok",
  );
  const { stdout: url } = await command(["url", "nats.ingest"], env, dir.path);
  const producer = await connectTo(url.trim());
  const event = (id: number, some = {}) =>
    JSON.stringify({
      id: `00000000-0000-4000-8000-00000000000${id}`,
      event_type: "INSERT",
      entity_type: "Invoice",
      entity_id: String(id),
      timestamp: "2026-01-01T00:00:00Z",
      data: { total: "1.50" },
      ...some,
    });
  const message = [event(1), event(1), event(2, { timestamp: "soon" })].join("\n");
  await producer.connection.request("fraiseql.ingest.Invoice", message);
  await producer.close();

  await using tail = run(["tail", "--entity", "Invoice", "--from", "first"], env, dir.path);
  await until(() => Promise.resolve(tail.stdout()), (text) => text.includes("\n"));
  equal(JSON.parse(tail.stdout().split("\n")[0] ?? "").data, { total: "1.50" });
  const metrics = await until(
    async () => await (await fetch(`${served.http}/metrics`)).text(),
    (text) => /^fraiseql_ingest_events\{outcome="refused"\} 1$/m.test(text),
  );
  match(metrics, /^fraiseql_ingest_events\{outcome="taken"\} 1$/m);
  match(metrics, /^fraiseql_ingest_events\{outcome="repeated"\} 1$/m);
  match(metrics, /^fraiseql_ingest_backlog_messages 0$/m);
  match(metrics, /^fraiseql_stage_up\{stage="ingest"\} 1$/m);
  match(metrics, /^fraiseql_stage_position\{stage="ingest"\} 1$/m);

  const status = await until(
    async () => (await command(["status"], env, dir.path)).stdout,
    (text) => text.includes("0 messages in FRAISEQL_INGEST"),
  );
  match(
    status,
    /^ingest +1 events taken, 1 repeats dropped, 1 parked, 0 messages in FRAISEQL_INGEST$/m,
  );
  const parked = await command(["dead", "list", "--worker", "publisher"], env, dir.path);
  match(parked.stdout, /publisher +Invoice .*timestamp is not RFC 3339: "soon"/);
});
