import {
  deepStrictEqual as equal,
  match,
  notStrictEqual as notEqual,
  ok,
} from "node:assert/strict";
import { withClient } from "../services/postgres.ts";
import { flightGet } from "./flight_calls.ts";
import {
  command,
  commandLine,
  descendants,
  flightPid,
  folder,
  freePorts,
  post,
  run,
  serve,
  until,
} from "./serve.ts";

const postmaster = (pid: number) =>
  descendants(pid).find((child) => /bin\/postgres\b.* -D /.test(commandLine(child)));

async function services(dataDir: string): Promise<{ postgres: string }> {
  return JSON.parse(await Deno.readTextFile(`${dataDir}/services.json`));
}

Deno.test("serve starts with no configuration, keeps its data, and tells its password to nobody", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: `${dir.path}/data`, FRAISEQL_SAMPLE: "shop" };
  const count = "{ users { id } organizations { id } }";
  let name = "";
  {
    await using served = await serve(env, dir.path);
    equal(served.readyLine.topology, "full");
    const { body } = await post(served.http, "{ users(limit: 1) { id name email } }");
    equal(body.data.users.length, 1);
    equal((await flightGet(served.flight, "{ users { id name email } }")).code, undefined);

    const { mode } = await Deno.stat(`${env.FRAISEQL_DATA_DIR}/services.json`);
    equal((mode ?? 0) & 0o777, 0o600);
    const { postgres } = await services(env.FRAISEQL_DATA_DIR);
    const password = decodeURIComponent(new URL(postgres).password);
    ok(password.length >= 16);
    equal((served.stdout() + served.stderr()).includes(password), false);
    match(served.stderr(), /fl\.connect\("grpc:/);

    const printed = await command(["url", "postgres"], env, dir.path);
    equal([printed.code, printed.stdout, printed.stderr], [0, `${postgres}\n`, ""]);
    const wrong = new URL(postgres);
    wrong.password = "wrong";
    await withClient(wrong.href, (sql) => sql`select 1`).then(
      () => ok(false, "anybody can log in"),
      (error) => equal(error.code, "28P01"),
    );
    const [row] = await withClient(
      postgres,
      (sql) =>
        sql`update users set name = 'Changed ' || gen_random_uuid()
          where id = (select id from users limit 1) returning name`,
    );
    name = row?.name;
    equal(await served.stop(), 0);
    equal(postmaster(Deno.pid), undefined);
  }
  await using again = await serve(env, dir.path);
  const found = await post(
    again.http,
    `query($name: String) { users(where: { name: { eq: $name } }) { name } }`,
    { variables: { name } },
  );
  equal(found.body.data.users, [{ name }]);
  equal((await post(again.http, count)).status, 200);
});

Deno.test("serve refuses a data folder that another copy uses, with its process and no stack", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: dir.path, FRAISEQL_SAMPLE: "none" };
  await using served = await serve(env, dir.path);
  const second = await command(["serve"], { ...freePorts, ...env }, dir.path);
  ok([1, 2].includes(second.code), `${second.code}`);
  match(second.stderr, /is in use by process \d+/);
  equal(/ at file:|\.ts:\d/.test(second.stderr), false);
  equal((await post(served.http, "{ __typename }")).status, 200);
});

Deno.test("serve lives on when its PostgreSQL is killed: UNAVAILABLE with a hint, then answers again", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: dir.path };
  await using served = await serve(env, dir.path);
  const flight = flightPid(served);
  const first = postmaster(served.pid) ?? 0;
  Deno.kill(first, "SIGKILL");
  const seen = new Set<string>();
  await until(async () => {
    const { status, body } = await post(served.http, "{ users(limit: 1) { id } }");
    const { code, hint } = body.errors?.[0]?.extensions ?? {};
    if (status !== 200) seen.add(`${status} ${code} ${hint ? "hint" : ""}`);
    return [status, postmaster(served.pid) ?? first];
  }, ([status, now]) => status === 200 && now !== first);
  equal([...seen].filter((answer) => answer !== "503 UNAVAILABLE hint"), []);
  equal((await flightGet(served.flight, "{ users(limit: 1) { id } }")).rows, 1);
  notEqual(postmaster(served.pid), first);
  equal(flightPid(served), flight);
  await until(
    () => fetch(`${served.http}/readiness`).then((answer) => answer.json()),
    ({ ready }) => ready, // the publisher finds back too
  );
});

Deno.test("serve that is killed leaves neither PostgreSQL nor Flight behind, and the next start works", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: dir.path, FRAISEQL_SAMPLE: "none" };
  const served = await serve(env, dir.path);
  const processes = descendants(served.pid);
  ok(postmaster(served.pid));
  ok(flightPid(served));
  served.signal("SIGKILL");
  await until(
    () => processes.filter((pid) => commandLine(pid) !== ""),
    (left) => left.length === 0,
  );
  await served.ended;
  await using again = await serve(env, dir.path);
  equal((await post(again.http, "{ __typename }")).status, 200);
});

Deno.test("serve that is stopped anywhere in its first start ends with its PostgreSQL", async () => {
  await using dir = await folder();
  const places = [
    /unpacking/,
    /creating the database/,
    /starting PostgreSQL/,
    /loading the sample/,
  ];
  for (const place of places) {
    const program = run(["serve"], { ...freePorts, FRAISEQL_DATA_DIR: dir.path }, dir.path);
    await program.said(place);
    const processes = descendants(program.pid);
    equal([place, await program.stop()], [place, 0]);
    equal(/unexpected| at file:/.test(program.stderr()), false, program.stderr());
    await until(
      () => processes.filter((pid) => commandLine(pid) !== ""),
      (left) => left.length === 0,
    );
  }
  await using again = await serve({ FRAISEQL_DATA_DIR: dir.path }, dir.path);
  const { body } = await post(again.http, "{ orders(limit: 1) { id } }");
  equal([body.errors, body.data?.orders.length], [undefined, 1]);
});

Deno.test("sample shop --orders --replace makes another size with progress, and the server shows it", async () => {
  await using dir = await folder();
  const env = { FRAISEQL_DATA_DIR: dir.path };
  await using served = await serve(env, dir.path);
  const same = await command(["sample", "shop", "--orders", "20000"], env, dir.path);
  equal(same.code === 0, false);
  match(same.stderr, /--replace/);
  const made = await command(["sample", "shop", "--orders", "20000", "--replace"], env, dir.path);
  equal([made.code, made.stdout], [0, ""]);
  match(made.stderr, /sample shop: [\d,]+ of [\d,]+ rows \(100%\)/);
  match(made.stderr, /20,000 orders/);
  const { body } = await post(served.http, "{ orders { id user { id } } }");
  equal([body.errors, body.data?.orders.length], [undefined, 20_000]);
  equal((await flightGet(served.flight, "{ orders { id user { id } } }")).rows, 20_000);
});

Deno.test("serve refuses a data folder that cannot be made with a clear message", async () => {
  await using dir = await folder();
  await Deno.writeTextFile(`${dir.path}/file`, "");
  const env = { ...freePorts, FRAISEQL_DATA_DIR: `${dir.path}/file/data` };
  const { code, stderr } = await command(["serve"], env, dir.path);
  ok([1, 2].includes(code), `${code}`);
  match(stderr, /file\/data/);
  equal(/ at file:|unexpected/.test(stderr), false, stderr);
});
