/**
 * What a word is, for both stores alike: they are given words that are cut already, and so find the
 * same, whatever their own rules.
 */

/** The words of a text, in order. */
export function wordsOf(text: string): string[] {
  const { folded } = foldCase(text.normalize("NFC"), false);
  return folded.match(WORD)?.map(cutWord) ?? [];
}

/** The same with a space between; for short texts of ASCII, as most are, in little more than half the time. */
export function joinedWords(text: string): string {
  if (text.length > searchWordCharsMax || !ASCII.test(text)) return wordsOf(text).join(" ");
  return text.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim();
}

// deno-lint-ignore no-control-regex -- they are of ASCII too
const ASCII = /^[\x00-\x7f]*$/;

/** A run of letters and digits, in what `foldCase` gives. */
export const WORD = /[\p{L}\p{N}]+/gu;

/**
 * A text of form NFC in lower case. Where that makes it longer, which one letter (İ) does, `starts`
 * has the place in the text for each place in what became of it.
 */
export function foldCase(
  text: string,
  wantsStarts = true,
): { readonly folded: string; readonly starts: readonly number[] | null } {
  // One sigma: which of the two comes of a capital depends on what stands around the word.
  const folded = text.toLowerCase().replaceAll("ς", "σ");
  if (!wantsStarts || folded.length === text.length) return { folded, starts: null };
  const starts: number[] = [];
  let at = 0;
  for (const letter of text) {
    const { length } = letter.toLowerCase();
    for (let i = 0; i < length; i++) starts.push(at + Math.min(i, letter.length));
    at += letter.length;
  }
  return { folded, starts: [...starts, at] };
}

/** A word as far as it counts. */
export function cutWord(word: string): string {
  if (word.length <= searchWordCharsMax) return word;
  const isInPair = /[\ud800-\udbff]/.test(word.charAt(searchWordCharsMax - 1));
  return word.slice(0, isInPair ? searchWordCharsMax - 1 : searchWordCharsMax);
}

/**
 * UTF-16 units. What is longer is no word that anybody types, and Lucene takes no more than 32,766
 * bytes; both sides of a search are cut alike, so it is found by its beginning.
 */
export const searchWordCharsMax = 128;
