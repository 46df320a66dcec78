import { strictEqual as equal } from "node:assert/strict";
import { tooOld } from "../../../lib/events/server_version.ts";

const versions: [version: string, old: boolean][] = [
  ["2.11.99", true],
  ["1.99.0", true],
  ["2.12.0", false],
  ["2.12.0-beta.1", false],
  ["2.15.1", false],
  ["3.0.0", false],
  ["unknown", true],
];

for (const [version, old] of versions) {
  Deno.test(`tooOld() of ${version} is ${old}`, () => equal(tooOld(version), old));
}
