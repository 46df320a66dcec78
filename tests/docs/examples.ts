/** The examples that stand in a document of `docs/`. */

export interface Example {
  readonly language: string;
  readonly text: string;
  /** The line where it begins, for the message. */
  readonly line: number;
}

/** Every fenced block, in order. */
export function fencedBlocks(markdown: string): Example[] {
  const blocks: Example[] = [];
  let open: { language: string; lines: string[]; line: number } | null = null;
  for (const [i, line] of markdown.split("\n").entries()) {
    const fence = /^\s*```(\w*)\s*$/.exec(line);
    if (fence && open) {
      blocks.push({ language: open.language, text: open.lines.join("\n"), line: open.line });
      open = null;
    } else if (fence) open = { language: fence[1] ?? "", lines: [], line: i + 1 };
    else open?.lines.push(line);
  }
  if (open) throw new Error(`the block of line ${open.line} has no end`);
  return blocks;
}

/** What stands in backticks in a table's column of this heading. */
export function columnExamples(markdown: string, heading: string): Example[] {
  const examples: Example[] = [];
  let column = -1;
  for (const [i, line] of markdown.split("\n").entries()) {
    const cells = line.startsWith("|") ? line.split("|").map((cell) => cell.trim()) : [];
    if (cells.length === 0) column = -1;
    else if (cells.includes(heading)) column = cells.indexOf(heading);
    const text = column < 0 ? undefined : /^`(.*)`$/.exec(cells[column] ?? "")?.[1];
    if (text !== undefined) examples.push({ language: "ticket", text, line: i + 1 });
  }
  return examples;
}
