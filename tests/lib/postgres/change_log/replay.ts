/** Tables rebuilt from events alone. */

export interface EventLine {
  readonly id: string;
  readonly "event_type": "Created" | "Updated" | "Deleted";
  readonly "entity_type": string;
  readonly "entity_id": string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
  readonly changes?: Record<string, { readonly old: unknown; readonly new: unknown }>;
}

/** By entity type, then entity id; rows as JSON text. */
export type Rebuilt = Map<string, Map<string, string>>;

/** Takes an event up. Throws where it does not follow what was there. */
export function replay(rebuilt: Rebuilt, event: EventLine): void {
  const { entity_type: entity, entity_id: id, data, changes } = event;
  const rows = rebuilt.get(entity) ?? new Map<string, string>();
  rebuilt.set(entity, rows);
  const there = rows.get(id);
  const refuse = (why: string) => {
    throw new Error(`${why}: ${JSON.stringify(event)}, there is ${there}`);
  };
  switch (event.event_type) {
    case "Created":
      if (there !== undefined) refuse("created, and was there");
      if (changes) refuse("created with changes");
      rows.set(id, JSON.stringify(data));
      break;
    case "Updated": {
      if (there === undefined) return refuse("updated, and was not there");
      const before = JSON.parse(there);
      for (const [name, value] of Object.entries(changes ?? {})) {
        if (!same(before[name], value.old)) refuse(`${name} was another`);
        if (same(value.old, value.new)) refuse(`${name} did not change`);
        before[name] = value.new;
      }
      if (!same(before, data)) refuse("changed more than it says");
      rows.set(id, JSON.stringify(data));
      break;
    }
    case "Deleted":
      if (there === undefined) refuse("deleted, and was not there");
      if (!same(JSON.parse(there ?? "null"), data)) refuse("deleted another");
      rows.delete(id);
      break;
    default:
      event.event_type satisfies never;
  }
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
