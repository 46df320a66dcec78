/** PostgreSQL's binary numeric -> the 128 bits of Arrow's Decimal128, without BigInt. */

const two32 = 4294967296;

/** Powers of ten up to 10^15: the largest below 2^53. */
const POWERS = Array.from({ length: 16 }, (_, i) => 10 ** i);

/** Whether a numeric is finite and Decimal128(precision, scale) holds all its digits. */
export function decimalFits(b: Uint8Array, q: number, precision: number, scale: number): boolean {
  const sign = b[q + 4]!;
  if (sign !== 0 && sign !== 0x40) return false;
  const weight = (b[q + 2]! << 24 >> 16) | b[q + 3]!;
  // No more digits behind the point than it shows: so it is for every value of a column with a scale.
  const shown = b[q + 6]! << 8 | b[q + 7]!;
  if (shown <= scale && (weight + 1) * 4 <= precision - scale) return true;
  let groups = b[q]! << 8 | b[q + 1]!;
  let at = q + 8 + 2 * groups;
  while (groups > 0 && b[at - 1] === 0 && b[at - 2] === 0) {
    groups--;
    at -= 2;
  }
  if (groups === 0) return true;
  const afterPoint = (groups - 1 - weight) * 4;
  if (afterPoint > scale) {
    // The last group may end in zeros.
    const last = b[at - 2]! << 8 | b[at - 1]!;
    const zeros = last % 1000 === 0 ? 3 : last % 100 === 0 ? 2 : last % 10 === 0 ? 1 : 0;
    if (afterPoint - zeros > scale) return false;
  }
  if ((weight + 1) * 4 <= precision - scale) return true;
  const first = b[q + 8]! << 8 | b[q + 9]!;
  const digits = first >= 1000 ? 4 : first >= 100 ? 3 : first >= 10 ? 2 : first > 0 ? 1 : 0;
  return weight * 4 + digits <= precision - scale;
}

/**
 * Writes four words at `out[4 * i]`. Only for what `decimalFits`. Hot: money of 15 digits takes the
 * way through one double, longer numbers four limbs of 32 bits.
 */
export function writeDecimal(
  out: Int32Array,
  i: number,
  b: Uint8Array,
  q: number,
  scale: number,
): void {
  const weight = (b[q + 2]! << 24 >> 16) | b[q + 3]!;
  const negative = b[q + 4] === 0x40;
  let groups = b[q]! << 8 | b[q + 1]!;
  let last = 0;
  while (groups > 0) {
    last = b[q + 6 + 2 * groups]! << 8 | b[q + 7 + 2 * groups]!;
    if (last !== 0) break;
    groups--;
  }
  const at = 4 * i;
  // Power of ten by which the last group counts; from -3, since what fits has no digit below.
  const exponent = 4 * (weight - groups + 1) + scale;
  if (groups === 0 || 4 * groups + exponent <= 15) {
    let x = 0;
    const digits = q + 8;
    for (let k = 0; k < groups - 1; k++) {
      x = x * 10000 + (b[digits + 2 * k]! << 8 | b[digits + 2 * k + 1]!);
    }
    if (groups > 0) {
      x = exponent >= 0
        ? (x * 10000 + last) * POWERS[exponent]!
        : x * POWERS[4 + exponent]! + last / POWERS[-exponent]!;
    }
    if (negative) x = -x;
    const high = Math.floor(x / two32);
    out[at] = (x - high * two32) | 0;
    out[at + 1] = high | 0;
    out[at + 2] = out[at + 3] = x < 0 ? -1 : 0;
    return;
  }
  writeLong(out, at, b, q, groups, exponent, negative);
}

/** Multiplies the limbs at `out[at]` by a factor and adds, both up to 10^4. */
function multiplyAdd(out: Int32Array, at: number, factor: number, add: number): void {
  let carry = add;
  for (let k = at; k < at + 4; k++) {
    const product = (out[k]! >>> 0) * factor + carry;
    carry = Math.floor(product / two32);
    out[k] = (product - carry * two32) | 0;
  }
}

function writeLong(
  out: Int32Array,
  at: number,
  b: Uint8Array,
  q: number,
  groups: number,
  exponent: number,
  negative: boolean,
): void {
  out[at] =
    out[at + 1] =
    out[at + 2] =
    out[at + 3] =
      0;
  for (let k = 0; k < groups; k++) {
    const group = b[q + 8 + 2 * k]! << 8 | b[q + 9 + 2 * k]!;
    if (k === groups - 1 && exponent < 0) {
      multiplyAdd(out, at, POWERS[4 + exponent]!, group / POWERS[-exponent]!);
    } else multiplyAdd(out, at, 10000, group);
  }
  let left = exponent;
  for (; left >= 4; left -= 4) multiplyAdd(out, at, 10000, 0);
  if (left > 0) multiplyAdd(out, at, POWERS[left]!, 0);
  if (!negative) return;
  let carry = 1;
  for (let k = at; k < at + 4; k++) {
    const sum = (~out[k]! >>> 0) + carry;
    carry = sum >= two32 ? 1 : 0;
    out[k] = sum | 0;
  }
}
