/** The files of a folder that are open to be read; those that are gone or others now are closed. */

import { join } from "node:path";
import { sqliteFault } from "./faults.ts";
import { MonthReader } from "./month_reader.ts";
import { openToRead } from "./month_tables.ts";
import { type Month, monthFile } from "./months.ts";
import { monthsThere } from "./month_files.ts";

interface OpenMonth {
  readonly inode: number | null;
  readonly reader: MonthReader;
}

export class OpenMonths {
  readonly #open = new Map<string, OpenMonth>();

  constructor(private readonly folder: string, private readonly tick: () => void) {}

  /** All that there are, oldest first. Called before each search: what it needs no more is closed. */
  async months(): Promise<Month[]> {
    const months = await monthsThere(this.folder);
    for (const [name, { reader }] of this.#open) {
      const isThere = months.some((month) => month.name === name);
      if (isThere && this.#open.size <= openMonthsMax) continue;
      reader.close();
      this.#open.delete(name);
    }
    return months;
  }

  close(): void {
    for (const { reader } of this.#open.values()) reader.close();
    this.#open.clear();
  }

  /** Good for the search under way. Null where the file is being made, or is removed just now. */
  reader(month: Month): MonthReader | null {
    const path = join(this.folder, monthFile(month));
    const inode = inodeOf(path);
    const kept = this.#open.get(month.name);
    this.#open.delete(month.name);
    if (kept && kept.inode === inode) {
      this.#open.set(month.name, kept); // the one used last comes last
      return kept.reader;
    }
    kept?.reader.close();
    if (inode === null) return null;
    try {
      const database = openToRead(path);
      if (database === null) return null;
      const reader = new MonthReader(path, month, database, this.tick);
      this.#open.set(month.name, { inode, reader });
      return reader;
    } catch (error) {
      if (inodeOf(path) === null) return null;
      throw sqliteFault(error, path);
    }
  }
}

/** Each holds some MiB; most searches are about the newest. */
const openMonthsMax = 12;

/** Null where there is no such file. */
function inodeOf(path: string): number | null {
  try {
    return Deno.statSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
