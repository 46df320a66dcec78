import { match, strictEqual as equal } from "node:assert/strict";
import { isTimeZone, zoneHint } from "../../../lib/query/time_zones.ts";

for (const name of ["UTC", "gmt", "Europe/Paris", "america/argentina/buenos_aires", "Etc/GMT+5"]) {
  Deno.test(`isTimeZone() takes ${name}`, () => equal(isTimeZone(name), true));
}

const odd =
  "AET AGT BET CAT CNT CTT ECT IET MIT NET PLT PNT PRT SST VST IST CST PST BST AST ACT MST " +
  "HST EST EST5EDT Japan US/Pacific-New Canada/East-Saskatchewan SystemV/AST4 posix/Europe/Paris " +
  "Mars/Olympus Europe/ /Paris +02:00 UTC+2";
for (const name of [...odd.split(" "), "", "Europe/Paris ", "Europe/Paris\0"]) {
  Deno.test(`isTimeZone() refuses ${JSON.stringify(name)}`, () => equal(isTimeZone(name), false));
}

Deno.test("zoneHint() names a full zone, the one that may be meant where there is one", () => {
  match(zoneHint("Japan"), /"Asia\/Tokyo"/);
  for (const name of ["EST", "Mars/Olympus", "+02:00", ""]) {
    match(zoneHint(name), /"[A-Z][a-z]+\/[A-Z][a-z]+"/);
  }
});
