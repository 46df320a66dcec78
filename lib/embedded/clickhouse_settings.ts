/**
 * What the program and the process of the engine say to each other. In a file of its own, so that
 * nobody but that process loads the engine's code.
 */

import type { HttpLimits } from "./clickhouse_http.ts";
import type { Owner } from "./owner.ts";

export interface ProgramSettings {
  readonly library: string;
  readonly data: string;
  readonly config: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly owner: Owner | null;
  readonly limits: HttpLimits;
}

/** What it says when it can be asked, and when another program has its port. */
export const readyLine = "ready for connections";
export const portTakenLine = "the port is in use";
