/** `partitions` of a GraphQLQuery: one endpoint for each part of a snapshot that is held for them. */

import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import type { Limits } from "../lib/limits.ts";
import type { Plan, QueryEngine } from "../lib/query/query_engine.ts";
import type { HeldSnapshots, Lease } from "./held_snapshots.ts";
import { encodeTicket, type PartitionOf, type QueryTicket } from "./ticket.ts";

/** The tickets of the parts; one, of the whole, where it cannot be split, and why. */
export interface Partitions {
  readonly tickets: readonly QueryTicket[];
  /** Milliseconds since 1970, after which the tickets are of no use; null where they stay good. */
  readonly expiresAt: number | null;
  /** `FlightInfo.app_metadata`: how many there are, and why not as many as were asked for. */
  readonly told: { readonly partitions: number; readonly why?: string };
}

export interface PartitionOptions {
  readonly engine: QueryEngine;
  readonly snapshots: HeldSnapshots;
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** Splits the ticket's query, whose only root that gives rows is at this index of the plan. */
export async function partitionsOf(
  ticket: QueryTicket & { readonly partitions: number },
  plan: Plan,
  root: number,
  { engine, snapshots, limits, signal }: PartitionOptions,
): Promise<Partitions> {
  const parts = ticket.partitions;
  refuseTooLong(ticket, limits);
  const { opened: split, named } = await snapshots.hold(
    queryKey(ticket, limits),
    (beforeHolding) => engine.split(plan, { root, parts, signal, beforeHolding }),
    (opened) => opened.kind === "parts" ? opened.snapshot : null,
  );
  if (split.kind === "whole" || !named) {
    const why = split.kind === "whole" ? split.why : "the snapshot was not held";
    return whole(ticket, why);
  }
  return {
    tickets: split.ranges.map((range) => ({
      ...ticket,
      partitions: null,
      partition: { snapshot: named.id, ...range },
    })),
    expiresAt: named.expiresAt,
    told: { partitions: split.ranges.length },
  };
}

/** Before anything is held for tickets that could not be written. */
function refuseTooLong(ticket: QueryTicket, limits: Limits): void {
  const partition = { snapshot: crypto.randomUUID(), from: 0xffffffff, to: 0xffffffff };
  encodeTicket({ ...ticket, partitions: null, partition }, limits);
}

/** One ticket in place of several. */
export function whole(ticket: QueryTicket, why: string): Partitions {
  return {
    tickets: [{ ...ticket, partitions: null }],
    expiresAt: null,
    told: { partitions: 1, why },
  };
}

/** The rows of one of the parts; throws `NOT_FOUND` when its snapshot has expired. */
export function partRows(
  ticket: QueryTicket & { readonly partition: PartitionOf },
  plan: Plan,
  root: number,
  { engine, snapshots, limits, signal, ended }: PartitionOptions & {
    /** When the call is over, however far the rows came. */
    readonly ended: Promise<void>;
  },
): AsyncIterable<RowChunk> {
  const { snapshot, from, to } = ticket.partition;
  const lease = snapshots.find(snapshot, queryKey(ticket, limits));
  void ended.then(() => lease.begun());
  const part = { snapshot: lease.name, range: { from, to } };
  return tellBegun(engine.rows(plan, { signal, root, part }), lease);
}

/** With its first rows a read has its own locks: nobody can empty a table that it reads. */
async function* tellBegun(
  chunks: AsyncIterable<RowChunk>,
  lease: Lease,
): AsyncGenerator<RowChunk> {
  for await (const chunk of chunks) {
    lease.begun();
    yield chunk;
  }
}

/** The same for all parts of a query, however their bodies are compressed. */
function queryKey(ticket: QueryTicket, limits: Limits): string {
  const query = { ...ticket, partitions: null, partition: null, compression: null };
  return new TextDecoder().decode(encodeTicket(query, limits));
}
