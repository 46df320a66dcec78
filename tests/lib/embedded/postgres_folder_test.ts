import { rejects, strictEqual as equal } from "node:assert/strict";
import { join } from "node:path";
import { openFolder } from "../../../lib/embedded/postgres_folder.ts";
import { openTempDir } from "./holder.ts";

Deno.test("openFolder() makes the folder, and holds it until it is closed", async () => {
  const dataDir = join(await openTempDir(), "a", "b");
  const folder = await openFolder(dataDir);
  equal(folder.path, join(dataDir, "postgres"));
  await rejects(openFolder(dataDir, 0), {
    code: "UNAVAILABLE",
    message: `${dataDir} is in use by process ${Deno.pid}`,
  });
  folder.close();
  (await openFolder(dataDir)).close();
  await Deno.remove(join(dataDir, "..", ".."), { recursive: true });
});

Deno.test("openFolder() is not misled by a lock file without a program", async () => {
  const dataDir = await openTempDir();
  await Deno.mkdir(join(dataDir, "postgres"));
  await Deno.writeTextFile(join(dataDir, "postgres", "lock"), `${Deno.pid}\n`);
  (await openFolder(dataDir)).close();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("openFolder() says which folder cannot be written", async () => {
  const folder = await openTempDir();
  const dataDir = join(folder, "file");
  await Deno.writeTextFile(dataDir, "");
  await rejects(openFolder(dataDir, 0), {
    code: "BAD_INPUT",
    message: new RegExp(`^cannot keep data in ${dataDir}: `),
    hint: "name a folder that can be written with FRAISEQL_DATA_DIR",
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openFolder() stays in a closed folder of its own, and lets PostgreSQL through", async () => {
  const dataDir = await Deno.makeTempDir({ dir: "/tmp" });
  const folder = await openFolder(dataDir);
  equal(folder.path, join(dataDir, "postgres"));
  const { mode } = await Deno.stat(dataDir);
  equal((mode ?? 0) & 0o777, Deno.uid() === 0 ? 0o711 : 0o700);
  folder.close();
  await Deno.remove(dataDir, { recursive: true });
});
