import { ok, strictEqual as equal } from "node:assert/strict";
import { decimalFits, writeDecimal } from "../../../lib/arrow/decimal.ts";
import {
  numericTextBytes,
  textBytesMax,
  writeInt8,
  writeInteger,
  writeInterval,
  writeNumeric,
} from "../../../lib/arrow/write_text.ts";
import { concat, int32, int64, numeric } from "./data_rows.ts";
import { randomOf } from "./shapes.ts";

const out = new Uint8Array(300_000);
const written = (end: number) => new TextDecoder().decode(out.subarray(0, end));

/** Around each power of two and of ten. */
function edges(): bigint[] {
  const found: bigint[] = [];
  for (let k = 0n; k < 64n; k++) for (const d of [-1n, 0n, 1n]) found.push(2n ** k + d);
  for (let k = 0n; k < 19n; k++) for (const d of [-1n, 0n, 1n]) found.push(10n ** k + d);
  const all = [...found, ...found.map((value) => -value)];
  return all.filter((value) => value >= -(2n ** 63n) && value < 2n ** 63n);
}

Deno.test("writeInt8() writes what BigInt writes, at every power and at random", () => {
  const random = randomOf(7);
  const some = Array.from({ length: 20_000 }, () => {
    const value = BigInt(Math.floor(random() * 4294967296)) << 32n |
      BigInt(Math.floor(random() * 4294967296));
    return BigInt.asIntN(64, value) >> BigInt(Math.floor(random() * 64));
  });
  for (const value of [...edges(), ...some]) {
    const end = writeInt8(out, 0, Number(value >> 32n), Number(BigInt.asIntN(32, value)));
    equal(written(end), value.toString());
    ok(end <= textBytesMax.integer);
  }
});

Deno.test("writeInteger() writes every number of doubles' whole range", () => {
  for (const value of edges().filter((one) => one >= -(2n ** 53n) && one <= 2n ** 53n)) {
    equal(written(writeInteger(out, 0, Number(value))), value.toString());
  }
});

/** A numeric's text at random, up to 45 digits on either side. */
function randomNumeric(random: () => number): string {
  const digits = (count: number) =>
    Array.from({ length: count }, () => random() < 0.4 ? "0" : String(Math.floor(random() * 10)))
      .join("");
  const whole = BigInt(`0${digits(Math.floor(random() * 45))}`).toString();
  const fraction = digits(Math.floor(random() * 45));
  const text = fraction === "" ? whole : `${whole}.${fraction}`;
  return random() < 0.5 && /[1-9]/.test(text) ? `-${text}` : text;
}

Deno.test("writeNumeric() writes the text that the numeric was made of, within the room it asked", () => {
  const random = randomOf(8);
  for (let i = 0; i < 20_000; i++) {
    const text = randomNumeric(random);
    const bytes = numeric(text);
    out[text.length + 8] = 1;
    equal(written(writeNumeric(out, 0, bytes, 0)), text);
    ok(numericTextBytes(bytes, 0) >= text.length + 4);
  }
});

Deno.test("writeDecimal() and decimalFits() do as BigInt does", () => {
  const random = randomOf(9);
  const words = new Int32Array(4);
  let fitted = 0;
  for (let i = 0; i < 50_000; i++) {
    const text = randomNumeric(random);
    const precision = 1 + Math.floor(random() * 38);
    const scale = Math.floor(random() * (precision + 1));
    const [whole = "", fraction = ""] = text.split(".");
    const lost = fraction.slice(scale).replace(/0/g, "");
    const value = BigInt(whole + fraction.padEnd(scale, "0").slice(0, scale));
    const size = value < 0n ? -value : value;
    const fits = lost === "" && size < 10n ** BigInt(precision);
    const bytes = numeric(text);
    equal(decimalFits(bytes, 0, precision, scale), fits, `${text} in (${precision},${scale})`);
    if (!fits) continue;
    fitted++;
    writeDecimal(words, 0, bytes, 0, scale);
    const got = words.reduceRight((sum, word) => sum << 32n | BigInt(word >>> 0), 0n);
    // "-0.00" cut of its digits is no number of BigInt's.
    const sign = text.startsWith("-") && value > 0n ? -1n : 1n;
    equal(BigInt.asIntN(128, got), sign * value, `${text} in (${precision},${scale})`);
  }
  ok(fitted > 1000);
});

Deno.test("writeInterval() writes infinities as PostgreSQL 17 does, in the room it may use", () => {
  const least = concat(int64(-(2n ** 63n)), int32(-(2 ** 31)), int32(-(2 ** 31)));
  const most = concat(int64(2n ** 63n - 1n), int32(2 ** 31 - 1), int32(2 ** 31 - 1));
  equal(written(writeInterval(out, 0, most, 0)), "infinity");
  equal(written(writeInterval(out, 0, least, 0)), "-infinity");
  const nearly = concat(int64(-(2n ** 63n) + 1n), int32(-(2 ** 31)), int32(-(2 ** 31) + 9));
  const end = writeInterval(out, 0, nearly, 0);
  equal(written(end), "P-178956969Y-11M-2147483648DT-2562047788H-54.775807S");
  ok(end <= textBytesMax.interval);
});
