/** Random programs of SQL statements over the tables of `tables.sql`. */

/** A program: statements, each in its transaction, in order. */
export interface Program {
  readonly seed: number;
  readonly transactions: readonly Transaction[];
}

export interface Transaction {
  readonly statements: readonly string[];
  readonly ends: "commit" | "rollback";
}

/** The tables whose content the events must rebuild, with their keys. */
export const TABLES: Readonly<Record<string, readonly string[]>> = {
  plain: ["id"],
  pairs: ["x", "y"],
  parted: ["id", "region"],
  parents: ["id"],
  children: ["id"],
  shifting: ["id"],
  noisy: ["id"],
  animals: ["id"],
};

/** The same program for the same seed. */
export function randomProgram(seed: number): Program {
  const random = new Random(seed);
  const transactions = random.list(1, 4, (): Transaction => ({
    statements: random.list(1, 5, () => statement(random)).flat(),
    ends: random.one(["commit", "commit", "commit", "rollback"]),
  }));
  return { seed, transactions };
}

/** The program as a person can run it. */
export function programText({ seed, transactions }: Program): string {
  const texts = transactions.map(({ statements, ends }) =>
    ["begin", ...statements, ends].map((text) => `${text};\n`).join("")
  );
  return `-- seed ${seed}; a statement that fails is undone alone\n${texts.join("")}`;
}

function statement(random: Random): string[] {
  const kind = random.below(12);
  if (kind === 0) {
    const inner = statement(random);
    return ["savepoint s", ...inner, random.one(["rollback to s", "release s"])];
  }
  if (kind === 1) {
    // One statement for the client, and several for PostgreSQL.
    const inner = random.list(2, 4, () => random.one(WRITES)(random));
    return [`do $do$ begin ${inner.map((text) => `${text};`).join(" ")} end $do$`];
  }
  return [random.one(WRITES)(random)];
}

type Write = (random: Random) => string;

const id = (random: Random) => random.below(8);
const text = (random: Random) => random.one(["'a'", "'b'", "'c\n\"\\'", "''", "null"]);
const region = (random: Random) => random.one(["'east'", "'west'", "'north'"]);
const note = (random: Random) =>
  random.one([
    "null",
    "'count'",
    "'back'",
    "'undo'",
    "'gone'",
    "'moved'",
    "'replace'",
    "'others'",
    "'again'",
  ]);
const row = (...items: (string | number)[]) => `(${items.join(", ")})`;
const ids = (random: Random) => random.list(1, 3, () => id(random)).join(", ");

/** Rows with keys that differ, so that most statements succeed. */
function rows(random: Random, make: (key: number) => string): string {
  const keys = new Set(random.list(1, 4, () => id(random)));
  return [...keys].map(make).join(", ");
}

const plainRows = (random: Random) =>
  rows(
    random,
    (key) => row(key, id(random), text(random), random.one(["1.50", "'NaN'", "null"])),
  );
const noisyRows = (random: Random) => rows(random, (key) => row(key, id(random), note(random)));

const WRITES: readonly Write[] = [
  (r) => `insert into plain values ${plainRows(r)}`,
  (r) => `insert into plain values ${plainRows(r)} on conflict do nothing`,
  (r) =>
    `insert into plain values ${
      plainRows(r)
    } on conflict (id) do update set a = plain.a + 1, b = excluded.b`,
  (r) => `update plain set b = ${text(r)}, n = ${id(r)} where id < ${id(r)}`,
  () => `update plain set b = b`,
  (r) => `update plain set id = id + ${r.one([1, 8, -8])} where id >= ${id(r)}`,
  (r) => `delete from plain where id in (${ids(r)})`,
  () => `truncate plain`,
  (r) =>
    `with d as (delete from plain where id in (${ids(r)}) returning *)
     insert into plain select id, a + 1, b, n from d`,
  (r) =>
    `with u as (update plain set a = a + 1 where id in (${ids(r)}) returning *)
     update plain p set b = 'both' from u where p.id = u.id + 1`,
  (r) =>
    `merge into plain t using (values ${plainRows(r)}) as s(id, a, b, n) on t.id = s.id
     when matched and t.a > ${id(r)} then delete
     when matched then update set b = s.b, id = t.id ${r.one(["", "", "+ 20"])}
     when not matched then insert values (s.id, s.a, s.b, s.n::numeric)`,
  (r) =>
    `merge into plain t using (values (${id(r)}), (${id(r)})) as s(id) on t.id = s.id
     when matched then update set id = t.id + 30
     when not matched then insert values (s.id + 30, 0, 'new', 0)`,
  (r) => `insert into pairs values ${rows(r, (key) => row(key, text(r), "'v'"))}`,
  (r) => `update pairs set v = v || 'x', y = y || ${r.one(["''", "'z'"])} where x < ${id(r)}`,
  (r) => `delete from pairs where x in (${ids(r)})`,
  (r) => `insert into parted values ${rows(r, (key) => row(key, region(r), text(r)))}`,
  (r) => `insert into parted_east values ${rows(r, (key) => row(key, "'east'", text(r)))}`,
  (r) =>
    `insert into parted values ${rows(r, (key) => row(key, region(r), text(r)))}
     on conflict (id, region) do update set v = 'upserted'`,
  (r) => `update parted set region = ${region(r)} where id in (${ids(r)})`,
  (r) => `update parted set v = ${text(r)} where id < ${id(r)}`,
  (r) =>
    `update parted_west set v = 'direct', id = id + ${r.one([0, 0, 1, 8])} where id < ${id(r)}`,
  (r) =>
    `delete from ${r.one(["parted", "parted_west", "parted_rest", "only parted_west_1"])}
     where id in (${ids(r)})`,
  (r) => `truncate ${r.one(["parted", "parted_west", "parted_east", "only parted_west_0"])}`,
  (r) => `insert into parents values ${rows(r, (key) => row(key, text(r)))}`,
  (r) => `insert into children values ${rows(r, (key) => row(key, id(r), id(r), text(r)))}`,
  (r) =>
    `insert into children select ${id(r)} + n, p.id, p.id, 'same' from generate_series(10, 12) n,
     (select id from parents limit 1) p on conflict do nothing`,
  (r) => `update parents set id = id + ${r.one([1, 8, -8])} where id in (${ids(r)})`,
  (r) => `update children set other_id = parent_id, v = ${text(r)}`,
  (r) => `delete from parents where id in (${ids(r)})`,
  () => `truncate parents cascade`,
  (r) => `insert into shifting values ${rows(r, (key) => row(key, text(r)))}`,
  (r) => `update shifting set id = id + ${r.one([1, 2, -1])}`,
  (r) => `update shifting set id = ${r.one([7, 9])} - id`,
  (r) => `update shifting set id = id + 1, v = 'same' where id < ${id(r)}`,
  (r) => {
    const [a, b] = [id(r), id(r)];
    return `update shifting set id = ${a} + ${b} - id where id in (${a}, ${b})`;
  },
  (r) => `insert into noisy values ${noisyRows(r)}`,
  (r) =>
    `insert into noisy values ${
      noisyRows(r)
    } on conflict (id) do update set v = noisy.v + 1, note = excluded.note`,
  (r) => `update noisy set v = v + 1, note = ${note(r)} where id < ${id(r)}`,
  () => `update noisy set v = v, note = note`,
  (r) => `delete from noisy where id in (${ids(r)})`,
  () => `truncate noisy`,
  (r) => `insert into animals values ${rows(r, (key) => row(key, text(r)))}`,
  (r) => `insert into dogs values ${rows(r, (key) => row(100 + key, text(r), "'woof'"))}`,
  (r) => `update animals set name = ${text(r)} where id % 100 < ${id(r)}`,
  (r) => `update dogs set bark = 'wau', name = ${text(r)} where id < 100 + ${id(r)}`,
  (r) => `delete from ${r.one(["animals", "only animals", "dogs"])} where id % 100 in (${ids(r)})`,
  (r) => `truncate ${r.one(["animals", "only animals", "dogs"])}`,
];

/** mulberry32. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  below(max: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0;
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) % max;
  }

  one<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  list<Item>(least: number, most: number, make: () => Item): Item[] {
    return Array.from({ length: least + this.below(most - least + 1) }, make);
  }
}
