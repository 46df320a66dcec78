/** What a look at the catalog sees, and what it does not take for a change. */

import { strictEqual as equal } from "node:assert/strict";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { catalogStamp } from "../../../lib/postgres/catalog_stamp.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { testPostgres } from "../../services/postgres.ts";

const postgres = await testPostgres();

const SETUP = `
create schema aside;
create type mood as enum ('good', 'bad');
create type aside.crate as (size numeric(5,2));
create domain code as text;
create table makers (id int4 primary key, name text not null);
create table things (id int4 primary key, price numeric(5,2), note text, maker_id int4, mood mood,
  box aside.crate);
create materialized view prices as select id from makers;
create table aside.hidden (id int4 primary key)`;

const changes: readonly [name: string, sql: string][] = [
  ["a number's scale", "alter table things alter price type numeric(5,1)"],
  ["a number's precision", "alter table things alter price type numeric(9,2)"],
  ["a column's type", "alter table things alter note type int4 using 1"],
  ["NOT NULL", "alter table makers alter name drop not null"],
  ["a column that is added", "alter table things add later int4"],
  ["a column that is dropped", "alter table things drop note"],
  ["a column that is renamed", "alter table things rename note to remark"],
  ["a table that is made", "create table later (id int4)"],
  ["a table that is dropped", "drop table things"],
  ["a table that is renamed", "alter table makers rename to builders"],
  ["a table that is moved here", "alter table aside.hidden set schema public"],
  ["a foreign key", "alter table things add foreign key (maker_id) references makers"],
  ["a primary key that is dropped", "alter table makers drop constraint makers_pkey"],
  ["an index", "create unique index on makers (name)"],
  ["a view", "create view cheap as select * from things"],
  ["a label", "alter type mood add value 'odd'"],
  ["a label that is renamed", "alter type mood rename value 'bad' to 'worse'"],
  ["a composite's attribute", "alter type aside.crate add attribute weight int4"],
  ["a right", "revoke select on things from current_user"],
];

const others: readonly [name: string, sql: string][] = [
  ["rows", "insert into makers values (1, 'a')"],
  ["TRUNCATE", "truncate things"],
  ["REFRESH", "refresh materialized view prices"],
  ["ANALYZE", "analyze makers"],
  ["a temporary table", "create temporary table passing (id int4)"],
  ["a table in another schema", "create table aside.more (id int4)"],
];

for (const [list, isSeen] of [[changes, true], [others, false]] as const) {
  for (const [name, sql] of list) {
    Deno.test(`catalogStamp() ${isSeen ? "is another" : "stays the same"} after ${name}`, async () => {
      const url = await postgres.createDatabase();
      await postgres.query(SETUP, url);
      const database = await openDatabase({
        url,
        limits: limits(),
        log: createLog("error", () => {}),
      });
      try {
        const before = await catalogStamp(database, ["public"]);
        await postgres.query(sql, url);
        const after = await catalogStamp(database, ["public"]);
        equal(after !== before, isSeen);
      } finally {
        await database.close();
      }
    });
  }
}
