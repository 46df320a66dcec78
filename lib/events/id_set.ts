/** A set of event ids as 16 bytes each, without an object for any of them. */

export class IdSet {
  size = 0;
  /** Four words a slot; a free slot holds zeros, which no UUID of ours is. */
  private slots = new Int32Array(4 * 1024);
  private hasZeros = false;

  /** Four words at `at`. */
  add(words: Int32Array, at: number): void {
    if (this.has(words, at)) return;
    if (isZero(words, at)) this.hasZeros = true;
    else {
      if (8 * (this.size + 1) > this.slots.length) this.grow();
      this.slots.set(words.subarray(at, at + 4), this.slotOf(words, at));
    }
    this.size++;
  }

  has(words: Int32Array, at: number): boolean {
    if (isZero(words, at)) return this.hasZeros;
    return !isZero(this.slots, this.slotOf(words, at));
  }

  /** Where it is, or would be. */
  private slotOf(words: Int32Array, at: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    const [a, b, c, d] = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!];
    // Ids of one database differ in their last bytes first, which are the high ones here.
    let hash = Math.imul(a ^ Math.imul(b, 31) ^ Math.imul(c, 0x27d4eb2d) ^ d, 0x9e3779b1);
    hash = Math.imul(hash ^ hash >>> 15 ^ d >>> 24, 0x85ebca6b);
    hash ^= hash >>> 13;
    for (let slot = (hash << 2) & mask;; slot = (slot + 4) & mask) {
      const isSame = slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c &&
        slots[slot + 3] === d;
      if (isSame || isZero(slots, slot)) return slot;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 4) {
      if (isZero(old, at)) continue;
      this.slots.set(old.subarray(at, at + 4), this.slotOf(old, at));
    }
  }
}

function isZero(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0;
}
