-- Every kind of thing that a catalog can hold, in schemas public, "Odd.Schema" and hidden.
create extension citext;
create schema "Odd.Schema";
create schema hidden;

create type mood as enum ('sad', 'ok', 'happy');
create type odd_mood as enum ('in progress', 'done', 'it''s "so"');
create type point3 as (x int, y numeric(8,3), label text);
create type box3 as (low point3, high point3, tags text[], shade mood);
create domain positive as int check (value > 0);
create domain short_tags as text[] check (cardinality(value) < 10);
create domain mail as citext check (value like '%@%');
create domain place as point3;
create domain money2 as numeric(10,2) not null;

create table organizations (id uuid primary key, name text not null, parent_id uuid references organizations);
comment on table organizations is 'Who buys; "quoted" and back\slash';
comment on column organizations.name is 'Their name';

create table people (
  id int8 generated always as identity primary key,
  organization_id uuid not null references organizations,
  boss_id int8 references people,
  name varchar(40) not null,
  email mail,
  mood mood,
  odd odd_mood,
  age positive,
  fee money2,
  tags short_tags default '{}',
  home place,
  box box3,
  boxes box3[],
  ages positive[],
  mails citext[],
  moods mood[],
  grid int[],
  nets inet[],
  net inet,
  during int4range,
  spans int4multirange,
  code char(5),
  letter "char",
  bits varbit,
  doc xml,
  at point,
  attributes jsonb,
  raw json,
  secret bytea,
  rate float8,
  dates date[],
  full_name text generated always as (upper(name::text)) stored,
  dropped int
);
alter table people drop column dropped;
create index on people (organization_id);

create table messages (
  id int primary key,
  sender_id int8 not null references people,
  receiver_id int8 references people,
  body text
);

create table composite_parents (a int, b text, note text, primary key (b, a));
create table composite_children (id int primary key, pa int, pb text,
  foreign key (pb, pa) references composite_parents (b, a));

create table measures (day date not null, sensor int not null, value numeric, primary key (day, sensor))
  partition by range (day);
create table measures_2025 partition of measures for values from ('2025-01-01') to ('2026-01-01');
create table measures_2026 partition of measures for values from ('2026-01-01') to ('2027-01-01')
  partition by list (sensor);
create table measures_2026_1 partition of measures_2026 for values in (1, 2);
create table measure_notes (id int primary key, day date, sensor int, note text,
  foreign key (day, sensor) references measures);

create table animals (id int primary key, name text);
create table dogs (breed text) inherits (animals);

create table unique_only (code text not null unique, other int);
create table keyless (a int, b text);
create table columnless ();
create unlogged table fast (id int primary key);
create table hidden.secrets (id int primary key, word text);
create table links_out (id int primary key, secret_id int references hidden.secrets);
create table one_to_one (id int8 primary key references people, extra text);

create view happy_people as select id, name, mood, organization_id from people where mood = 'happy';
create materialized view people_count as
  select organization_id, count(*) as people, avg(rate) as rate from people group by 1;
create view va_people as select id, name as "Full Name", mood, fee, attributes, home, tags from people;

create table "Odd.Schema"."Weird ""Table"" 1" (
  "Id" int primary key,
  "col.with.dots" text,
  "with ""quotes""" text,
  "Größe 😀" numeric,
  "select" int,
  "$" int,
  "%" int,
  "and" int,
  "constructor" text,
  "__typename" text,
  "a_b" int,
  "aB" int
);
create table "Odd.Schema".people (id int primary key, nick text);
create table "Odd.Schema".events (id int primary key);

insert into organizations values
  ('00000000-0000-0000-0000-00000000000a', 'Acme', null),
  ('00000000-0000-0000-0000-00000000000b', 'Beta', '00000000-0000-0000-0000-00000000000a'),
  ('00000000-0000-0000-0000-00000000000c', 'None', '00000000-0000-0000-0000-00000000000a');
insert into people (organization_id, boss_id, name, email, mood, odd, age, fee, tags, home, box, boxes,
  ages, mails, moods, grid, nets, net, during, spans, code, letter, bits, doc, at, attributes, raw,
  secret, rate, dates)
select ('00000000-0000-0000-0000-00000000000' || case when i % 3 = 0 then 'a' else 'b' end)::uuid,
  nullif((i / 2)::int, 0),
  (array['Ann','bob','Çem','o''Neil','100%','a_b','back\slash','"q"','😀 face',''])[1 + i % 10],
  case when i % 4 > 0 then 'User' || i || '@Example.com' end,
  (array['sad','ok','happy',null]::mood[])[1 + i % 4],
  (array['in progress','done','it''s "so"',null]::odd_mood[])[1 + i % 4],
  case when i % 5 > 0 then i end,
  i * 1.25,
  (array['{}','{a,b}','{"x,y",NULL,"q\"r"}',null]::text[])[1 + i % 4]::text[],
  case i % 3 when 0 then null when 1 then row(i, i / 7.0, 'p' || i)::point3
    else row(null, null, null)::point3 end,
  case when i % 2 = 0 then row(row(i, 1.5, 'l'), null, '{t,NULL}', 'ok')::box3 end,
  case i % 3 when 0 then array[row(row(1, 2, 'z'), null, null, 'sad')::box3, null] when 1 then '{}' end,
  case when i % 2 = 0 then array[1, i]::positive[] end,
  array['A' || i, null]::citext[],
  case when i % 3 > 0 then array['happy', null, 'sad']::mood[] end,
  case when i % 2 = 0 then array[i, null, 3] else '{}' end,
  case when i % 2 = 0 then array['10.0.0.1', '::1/64', '10.0.0.0/8']::inet[] end,
  case when i % 2 = 0 then ('10.0.0.' || i)::inet else '10.1.0.0/16' end,
  case when i % 2 = 0 then int4range(i, i + 5) else 'empty' end,
  case when i % 2 = 0 then int4multirange(int4range(i, i + 5)) end,
  'c' || i, 'x', '101', '<a/>', point(i, 1),
  case i % 4 when 0 then null when 1 then 'null' when 2 then jsonb_build_object('n', i, 'deep', jsonb_build_object('k', 'v' || i))
    else '["a", 1, true]' end,
  case when i % 2 = 0 then '{"b": 1,  "b": 2}'::json end,
  decode(lpad(to_hex(i), 4, '0'), 'hex'),
  case i % 5 when 0 then 'NaN' when 1 then null when 2 then 'Infinity' else i / 3.0 end,
  case when i % 2 = 0 then array['2026-01-01', null]::date[] end
from generate_series(1, 40) i;
insert into messages select i, 1 + i % 7, case when i % 3 > 0 then 1 + i % 5 end, 'm' || i
from generate_series(1, 60) i;
insert into composite_parents values (1, 'x', 'one'), (2, 'x', 'two'), (1, 'y', null);
insert into composite_children values (1, 1, 'x'), (2, 2, 'x'), (3, null, 'x'), (4, 1, 'x');
insert into measures select '2025-12-30'::date + i, 1 + i % 2, i / 3.0 from generate_series(0, 9) i;
insert into measure_notes select i, '2025-12-30'::date + i, 1 + i % 2, 'n' || i from generate_series(0, 5) i;
insert into animals values (1, 'cat');
insert into dogs values (2, 'rex', 'pug');
insert into unique_only values ('a', 1), ('b', null);
insert into keyless values (1, 'x'), (1, 'x'), (null, null);
insert into fast values (1);
insert into hidden.secrets values (1, 'w');
insert into links_out values (1, 1);
insert into one_to_one values (1, 'first'), (3, null);
insert into "Odd.Schema"."Weird ""Table"" 1" values (1, 'd', 'q', 1.5, 2, 3, 4, 5, 'c', 't', 6, 7);
insert into "Odd.Schema".people values (1, 'nick');
insert into "Odd.Schema".events values (1);
refresh materialized view people_count;
