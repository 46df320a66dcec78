/** Asks a query of the server over HTTP and Flight, and of PostgreSQL itself. */

import type postgres from "postgres";
import type { LineProgram } from "../clients/lines.ts";
import { parseJson } from "./json.ts";
import type { GraphqlText } from "./graphql_text.ts";
import type { ArrowField, Value } from "./shape.ts";

/** Rows, or why there are none. */
export type Answer =
  | { readonly kind: "value"; readonly value: Value; readonly schema?: readonly ArrowField[] }
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** The root field's value. */
export async function overHttp(
  http: string,
  { text, variables, root }: GraphqlText,
): Promise<Answer> {
  const response = await fetch(`${http}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
    },
    body: JSON.stringify({ query: text, variables }),
  });
  const body = parseJson(await response.text()) as {
    readonly data?: Readonly<Record<string, Value>> | null;
    readonly errors?: readonly {
      readonly message: string;
      readonly extensions?: { readonly code?: string };
    }[];
  };
  const [error] = body.errors ?? [];
  if (error) {
    return {
      kind: "refused",
      code: error.extensions?.code ?? "none",
      message: error.message,
    };
  }
  return { kind: "value", value: body.data?.[root] ?? null };
}

/** The rows as a list, whatever the root field is. */
export async function overFlight(
  reader: LineProgram,
  request: { readonly ticket: string } | { readonly info: string },
): Promise<Answer> {
  const line = await reader.ask(JSON.stringify(request));
  const { rows, code, message } = parseJson(line) as {
    readonly rows?: readonly Value[];
    readonly code?: string;
    readonly message?: string;
  };
  if (rows === undefined) {
    return {
      kind: "refused",
      code: code === "OUT_OF_RANGE" ? "UNREPRESENTABLE" : code ?? "none",
      message: message ?? "",
    };
  }
  const { schema } = JSON.parse(line) as { readonly schema: readonly ArrowField[] };
  return { kind: "value", value: rows, schema };
}

/** What the documentation calls UNREPRESENTABLE: the answer is refused for it, or has null there. */
export type Unrepresentable = "error" | "null";

/** The oracle's answer: one value of JSON, in which oracle.refuse() has left its marks. */
export async function fromOracle(
  sql: postgres.Sql,
  statement: string,
  unrepresentable: Unrepresentable,
): Promise<Answer> {
  try {
    const rows = await sql.unsafe(statement).values();
    const marked: string | null = rows[0]?.[0] ?? null;
    const text = marked?.replaceAll(/"!UNREPRESENTABLE!\w*"/g, "null") ?? null;
    if (text !== marked && unrepresentable === "error") {
      return { kind: "refused", code: "UNREPRESENTABLE", message: marked ?? "" };
    }
    return { kind: "value", value: text === null ? null : parseJson(text) as Value };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // No server has such a code, so that it is seen.
    return { kind: "refused", code: "an SQL error", message };
  }
}
