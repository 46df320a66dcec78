/** What is wrong with a schema file, collected so that all of it is told at once. */

import { type ASTNode, getLocation, GraphQLError } from "graphql";
import { AppError } from "../errors.ts";

/** A schema file as it was read. */
export interface SchemaFile {
  readonly path: string;
  readonly text: string;
}

interface Fault {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** Collects faults by their places in the file. */
export class SchemaFileFaults {
  readonly #found: Fault[] = [];

  constructor(private readonly path: string) {}

  /** `remedy` says what to write instead, or asks what was meant. */
  add(node: ASTNode, message: string, remedy: string): void {
    const location = node.loc && getLocation(node.loc.source, node.loc.start);
    const { line, column } = location ?? { line: 1, column: 1 };
    const text = remedy === "" ? message : `${message}: ${remedy}`;
    // One cause can be met on several ways.
    const isKnown = this.#found.some((fault) =>
      fault.line === line && fault.column === column && fault.text === text
    );
    if (!isKnown) this.#found.push({ line, column, text });
  }

  get count(): number {
    return this.#found.length;
  }

  /** Throws `BAD_INPUT` with every fault a line, in the order of the file. */
  refuse(): void {
    if (this.#found.length === 0) return;
    const sorted = this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const lines = sorted.map(({ line, column, text }) => `${this.path}:${line}:${column} ${text}`);
    const head = lines.length === 1 ? "1 fault" : `${lines.length} faults`;
    throw new AppError(
      "BAD_INPUT",
      `the schema file ${this.path} has ${head}:\n  ${lines.join("\n  ")}`,
      { hint: "`fraiseql schema print` without FRAISEQL_SCHEMA writes a file that fits" },
    );
  }
}

/** A text that is no GraphQL has one fault: what is behind it cannot be told. */
export function refuseSyntax(path: string, error: unknown): never {
  if (error instanceof RangeError) {
    throw new AppError("BAD_INPUT", `the schema file ${path} is nested too deeply to be read`, {
      hint: "check the path: a type is at most a list",
      cause: error,
    });
  }
  if (!(error instanceof GraphQLError)) throw error;
  const { line, column } = error.locations?.[0] ?? { line: 1, column: 1 };
  throw new AppError(
    "BAD_INPUT",
    `the schema file ${path} has 1 fault:\n  ${path}:${line}:${column} ${error.message}`,
    { hint: "the file is GraphQL SDL: https://spec.graphql.org/October2021/#sec-Type-System" },
  );
}
