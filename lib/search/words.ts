/**
 * What a word is, for both stores alike: they are given words that are cut already, and so find the
 * same, whatever their own rules.
 */

/** The words of a text, in order. */
export function wordsOf(text: string): string[] {
  // One sigma: which of the two comes of a capital depends on what stands around the word.
  const plain = text.normalize("NFC").toLowerCase().replaceAll("ς", "σ");
  return plain.match(words)?.map(cutWord) ?? [];
}

const words = /[\p{L}\p{N}]+/gu;

function cutWord(word: string): string {
  if (word.length <= searchWordCharsMax) return word;
  const isInPair = /[\ud800-\udbff]/.test(word.charAt(searchWordCharsMax - 1));
  return word.slice(0, isInPair ? searchWordCharsMax - 1 : searchWordCharsMax);
}

/**
 * UTF-16 units. What is longer is no word that anybody types, and Lucene takes no more than 32,766
 * bytes; both sides of a search are cut alike, so it is found by its beginning.
 */
export const searchWordCharsMax = 128;
