/** Calls of a Flight server by pyarrow (`tests/clients/flight_calls.py`). */

import { python } from "../clients/python.ts";

export type FlightCall =
  & { readonly timeout?: number; readonly rows?: boolean }
  & (
    | { readonly call: "get"; readonly ticket: string }
    | { readonly call: "get"; readonly ticket64: string }
    | { readonly call: "info" | "schema"; readonly cmd: string }
    | { readonly call: "info" | "schema"; readonly path: readonly string[] }
    | { readonly call: "list" }
    | { readonly call: "action"; readonly type: string; readonly body64?: string }
  );

/** One stream as it was read. */
export interface FlightRead {
  readonly schema: string;
  readonly rows: number;
  readonly batches: number;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export interface FlightAnswer extends Partial<FlightRead> {
  /** Name of the gRPC status of a call that failed. */
  readonly code?: string;
  readonly message?: string;
  readonly values?: readonly Record<string, unknown>[];
  readonly endpoints?: readonly (FlightRead & { readonly schemaOfTicket: string })[];
  readonly flights?: readonly (FlightRead & { path: readonly string[]; told: string })[];
  readonly results?: readonly string[];
}

/** Makes the calls on one connection, one after the other. */
export async function flightCalls(
  url: string,
  calls: readonly FlightCall[],
): Promise<FlightAnswer[]> {
  const client = new URL("../clients/flight_calls.py", import.meta.url);
  const input = calls.map((call) => JSON.stringify(call) + "\n").join("");
  const lines = (await python(client, [url], input)).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** One call. */
export async function flightCall(url: string, call: FlightCall): Promise<FlightAnswer> {
  const [answer] = await flightCalls(url, [call]);
  if (!answer) throw new Error("no answer");
  return answer;
}

/** Reads a stream by the text of a ticket. */
export function flightGet(url: string, ticket: string): Promise<FlightAnswer> {
  return flightCall(url, { call: "get", ticket });
}
