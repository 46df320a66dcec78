/**
 * Who may do what on the NATS server: one user for each worker, with the rights that its work
 * needs and no other. The embedded server is set up from this table, and docs/nats.md shows it to
 * those who set up their own.
 */

import { STREAM, SUBJECT } from "./names.ts";

/** `admin` is the one of `migrate`, `dead` and the like. */
export const NATS_USERS = [
  "admin",
  "publisher",
  "bridge",
  "clickhouse",
  "elasticsearch",
  "actions",
  "reader",
  "ingest",
] as const;
export type NatsUser = typeof NATS_USERS[number];

export interface Rights {
  readonly publish: readonly string[];
  /** Beats what `publish` allows. */
  readonly publishNever: readonly string[];
  readonly subscribe: readonly string[];
}

/** Each has answers sent to a place of its own, so that nobody reads another's. */
export function inboxPrefix(user: NatsUser): string {
  // Programs of others keep the place that their clients use by themselves.
  return user === "admin" || user === "ingest" ? "_INBOX" : `_INBOX_${user}`;
}

/** The rights of a user. */
export function rightsOf(user: NatsUser): Rights {
  const own = durables(user);
  return {
    publish: [...PUBLISH[user]],
    publishNever: user === "admin" ? [] : Object.keys(DURABLES)
      .filter((name) => !own.includes(name))
      .flatMap((name) => anyUseOf(name)),
    subscribe: user === "admin" ? [">"] : [`${inboxPrefix(user)}.>`],
  };
}

/** Reading a stream by a consumer of one's own. */
const read = (stream: string) => [
  `$JS.API.STREAM.INFO.${stream}`,
  `$JS.API.CONSUMER.CREATE.${stream}.>`,
  `$JS.API.CONSUMER.INFO.${stream}.*`,
  `$JS.API.CONSUMER.DELETE.${stream}.*`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
];

/** Reading single messages by subject or sequence. */
const look = (stream: string) => [
  `$JS.API.STREAM.INFO.${stream}`,
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
];

/** Taking messages that are gone once acknowledged, or come again. */
const take = (stream: string) => [...read(stream), `$JS.ACK.${stream}.>`];

/** What every worker does beside its work. */
const worker = (name: string) => [
  SUBJECT.progress(name),
  SUBJECT.dead(name),
  ...look(STREAM.progress),
  ...take(STREAM.replay),
];

const PUBLISH: Readonly<Record<NatsUser, readonly string[]>> = {
  admin: [">"],
  publisher: [
    SUBJECT.allEvents,
    SUBJECT.checkpoint,
    ...worker("publisher"),
    ...look(STREAM.events),
    ...look(STREAM.batches),
    ...take(STREAM.ingest),
    // What every sink has confirmed may go; what goes is counted.
    ...read(STREAM.events),
    ...[STREAM.events, STREAM.batches].map((name) => `$JS.API.CONSUMER.LIST.${name}`),
    ...[STREAM.events, STREAM.batches, STREAM.ingest].map((name) => `$JS.API.STREAM.PURGE.${name}`),
  ],
  bridge: [
    SUBJECT.batches,
    ...worker("bridge"),
    ...read(STREAM.events),
    ...look(STREAM.events),
    ...look(STREAM.batches),
  ],
  clickhouse: [...worker("clickhouse"), ...read(STREAM.batches), ...look(STREAM.batches)],
  elasticsearch: [...worker("elasticsearch"), ...take(STREAM.events)],
  actions: [...worker("actions"), ...take(STREAM.events)],
  // A program of others keeps its place in the events by a consumer of its own, and acknowledges.
  reader: [
    ...take(STREAM.events),
    ...read(STREAM.batches),
    // How far ClickHouse's sink is, for whoever goes on behind it.
    ...look(STREAM.batches),
    ...look(STREAM.progress),
  ],
  ingest: [SUBJECT.ingest],
};

/**
 * Consumers with a name, by who owns them: whoever may make consumers on a stream could otherwise
 * take messages from another's. A worker's replays have one too.
 */
const DURABLES: Readonly<Record<string, NatsUser>> = {
  publisher: "publisher",
  bridge: "bridge",
  clickhouse: "clickhouse",
  elasticsearch: "elasticsearch",
  actions: "actions",
};

function durables(user: NatsUser): string[] {
  return Object.keys(DURABLES).filter((name) => DURABLES[name] === user);
}

function anyUseOf(name: string): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.*.${name}`,
    `$JS.API.CONSUMER.CREATE.*.${name}.>`,
    `$JS.API.CONSUMER.DELETE.*.${name}`,
    `$JS.API.CONSUMER.MSG.NEXT.*.${name}`,
    `$JS.ACK.*.${name}.>`,
  ];
}
