/** What a program of ours says last when it fails: `fraiseql: why`, and `hint: what to do`. */

const begin = "fraiseql: ";
const hintBegin = "hint: ";

/** A page of a terminal; the log has the rest. */
const linesMax = 40;

/** Told a process's lines, one by one, finds why it failed. */
export class FinalWords {
  /** The last lines, from `fraiseql: ` on where that came. */
  private lines: string[] = [];
  private isFinal = false;

  /** True where the line is one of the final words. */
  take(line: string): boolean {
    if (!this.isFinal && line.startsWith(begin)) {
      this.isFinal = true;
      this.lines = [];
    }
    this.lines.push(this.isFinal && this.lines.length === 0 ? line.slice(begin.length) : line);
    if (this.lines.length > linesMax && !this.isFinal) this.lines.shift();
    return this.isFinal;
  }

  /** In two parts, as an `AppError` has them; where there were none, all that it said last. */
  refusal(): { message: string; hint: string | null } {
    const last = this.lines.at(-1);
    const hint = this.isFinal && last?.startsWith(hintBegin) ? last.slice(hintBegin.length) : null;
    const words = hint === null ? this.lines : this.lines.slice(0, -1);
    return { message: words.join("\n").trim() || "it said nothing", hint };
  }
}
