/** What was typed into `text`, as terms. */

import { AppError } from "../errors.ts";
import type { Term } from "./store.ts";
import { wordsOf } from "./words.ts";

/**
 * Words, `"phrases"` and `prefixes*`, of which all must be there; each once. Empty for a text of
 * spaces alone; `BAD_INPUT` where a quote is open or there is no word in it, `TOO_LARGE` for more than
 * `wordsMax` words.
 */
export function parseTerms(text: string, wordsMax: number): Term[] {
  const terms = new Map<string, Term>();
  let count = 0;
  const parts = text.normalize("NFC").split('"');
  for (const [index, part] of parts.entries()) {
    for (const term of index % 2 === 1 ? phraseOf(part) : termsOf(part)) {
      count += term.kind === "phrase" ? term.words.length : 1;
      terms.set(JSON.stringify(term), term);
    }
  }
  if (parts.length % 2 === 0) {
    throw new AppError("BAD_INPUT", "text: a quote is not closed", {
      hint: 'a phrase stands between two quotes, like "card declined"',
    });
  }
  if (count > wordsMax) {
    throw new AppError("TOO_LARGE", `text: ${count} words are more than ${wordsMax}`, {
      hint: "search for fewer words, or raise search_words_max",
    });
  }
  if (terms.size === 0 && text.trim() !== "") {
    throw new AppError("BAD_INPUT", "text: there is no word in it", {
      hint: "a word is made of letters and digits; leave text out to find events by where alone",
    });
  }
  return [...terms.values()];
}

function phraseOf(part: string): Term[] {
  const words = wordsOf(part);
  const [word] = words;
  if (word === undefined) return [];
  return words.length === 1 ? [{ kind: "word", word }] : [{ kind: "phrase", words }];
}

/** A star makes a prefix of the word right before it; a mark upon its last letter is part of none. */
function termsOf(part: string): Term[] {
  const pieces = part.split("*");
  return pieces.flatMap((piece, index): Term[] => {
    const words = wordsOf(piece);
    const isPrefix = index < pieces.length - 1 && /[\p{L}\p{N}]\p{M}*$/u.test(piece);
    return words.map((word, at) => ({
      kind: isPrefix && at === words.length - 1 ? "prefix" : "word",
      word,
    }));
  });
}
