/** The configuration file of the embedded nats-server, and the passwords in it. */

// deno-lint-ignore-file camelcase -- the names are the server's

import { NATS_USERS, type NatsUser, rightsOf } from "../events/users.ts";

export interface NatsConfig {
  readonly port: number;
  /** Where JetStream keeps its files. */
  readonly store: string;
  readonly pidFile: string;
  readonly passwords: Readonly<Record<NatsUser, string>>;
  /** All streams together; the server refuses to make streams that may grow beyond. */
  readonly storeBytesMax: number;
  /** The largest message. */
  readonly messageBytesMax: number;
  /** False: data that may be lost with the machine, as tests' may. */
  readonly durable: boolean;
}

/**
 * What is acknowledged lies in the kernel's cache and survives a killed server; a machine that
 * loses power loses what was not synced. Every second instead of the server's two minutes costs
 * nothing that shows; `always` waits for the disk at every page and every record. The publisher
 * finds a lost tail and publishes it again from the change log, so a second is enough.
 */
const syncInterval = "1s";

/** The text of the configuration file. */
export function natsConfig(config: NatsConfig): string {
  const users = NATS_USERS.map((user) => {
    const { publish, publishNever, subscribe } = rightsOf(user);
    const permissions = {
      publish: { allow: publish, ...publishNever.length > 0 && { deny: publishNever } },
      subscribe: { allow: subscribe },
    };
    return { user, password: config.passwords[user], permissions };
  });
  const settings = {
    listen: `127.0.0.1:${config.port}`,
    pid_file: config.pidFile,
    max_payload: config.messageBytesMax,
    // A reader that takes nothing for so long is cut off; a batch of events is some megabytes.
    write_deadline: "30s",
    max_pending: 8 * config.messageBytesMax,
    jetstream: {
      store_dir: config.store,
      max_file_store: config.storeBytesMax,
      ...config.durable && { sync_interval: syncInterval },
    },
    authorization: { users },
  };
  // The file's own language takes JSON.
  return JSON.stringify(settings, null, 2) + "\n";
}

/** 192 bits each, in letters that no URL and no file has to escape. */
export function newPasswords(): Record<NatsUser, string> {
  const one = () => crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
  return Object.fromEntries(NATS_USERS.map((user) => [user, one()])) as Record<NatsUser, string>;
}
