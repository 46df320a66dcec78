-- Every column type of the type table with its special values, and every form of relation.
create extension if not exists citext;
create type mood as enum ('sad', 'ok', 'happy');
create type odd_label as enum ('plain', 'with space', 'quote"s', 'ünï', '', 'true');
create type point3 as (x int, y float8, label text);
create type nested_pair as (first point3, tags text[], at timestamptz);
create domain email as citext check (value ~ '@');
create domain cents as bigint;
create domain money12 as numeric(12, 2);
create domain small_tags as text[];

create table kinds (
  id int primary key,
  flag bool,
  i2 int2, i4 int4, i8 int8,
  f4 float4, f8 float8,
  d5_2 numeric(5, 2), d38_0 numeric(38, 0), d38_38 numeric(38, 38), d38_10 numeric(38, 10),
  n numeric, n50_5 numeric(50, 5), n_neg numeric(5, -2), n_frac numeric(3, 5),
  t text, vc varchar(40), bp char(6), ci citext, nm name, ch "char",
  u uuid,
  d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval,
  j json, jb jsonb,
  b bytea,
  e mood, eo odd_label,
  p point3, np nested_pair,
  de email, dc cents, dm money12, dt small_tags,
  ip inet, cd cidr, mac macaddr, mac8 macaddr8, r4 int4range, rts tstzrange, mr int4multirange, pt point, bx box, pg polygon,
  tv tsvector, tq tsquery, xm xml, bi bit(5), vb varbit, mo money, ox oid, ls pg_lsn, jp jsonpath,
  a_bool bool[], a_i2 int2[], a_i4 int4[], a_i8 int8[], a_f4 float4[], a_f8 float8[],
  a_d numeric(10, 3)[], a_n numeric[], a_t text[], a_u uuid[], a_d8 date[], a_ti time[], a_ts timestamp[], a_tstz timestamptz[],
  a_iv interval[], a_j json[], a_jb jsonb[], a_b bytea[], a_e mood[], a_eo odd_label[], a_p point3[], a_ip inet[], a_de email[]
);
comment on table kinds is 'Every "kind" of column.
A second line, with """ quotes and \ backslashes.';
comment on column kinds.flag is '';

insert into kinds (id) values (1);

insert into kinds values (
  2, true, 32767, 2147483647, 9223372036854775807,
  3.4028235e38, 1.7976931348623157e308,
  999.99, 99999999999999999999999999999999999999, 0.99999999999999999999999999999999999999, 1234567890123456789012345678.0123456789,
  123456789012345678901234567890123456789012345678901234567890.000000000000000000000000000000000000000001, 123456789012345678901234567890123456789012345.12345, 99999, 0.00123,
  E'quotes " \\ back / slash\n\t\r\b\f\u0001\u001f\u007f\u0085 \u2028 \u2029 emoji 🦕👩‍🚀 ﷽ é e\u0301', 'ünï', 'ab', 'CiText', 'a_name', 'x',
  'ffffffff-ffff-4fff-bfff-ffffffffffff',
  '9999-12-31', '23:59:59.999999', '23:59:59.999999-15:59', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', '1 year 2 mons 3 days 04:05:06.000007',
  '{"b": 1.10, "a": [1, 2, {"c": null}], "a": "twice", "big": 123456789012345678901234567890.5, "e": 1E400, "s": "\u00e9 \" \\ 🦕"}',
  '{"b": 1.10, "a": [1, 2, {"c": null}], "big": 123456789012345678901234567890.5, "s": "é \" \\ 🦕 \u0001"}',
  '\x00ff10', 'happy', 'with space',
  row(1, 2.5, 'p "q"')::point3, row(row(1, null, null)::point3, array['x', null], '2020-02-29 12:00+00')::nested_pair,
  'A@b.c', 9007199254740993, 1234567890.12, '{a,b}',
  '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '[1,5)', '[2020-01-01 00:00+00,)', '{[1,3),[7,9)}', '(1,2)', '((1,1),(0,0))', '((0,0),(1,1),(2,0))',
  'a fat cat', 'fat & rat', '<a>x</a>', '10101', '101', '12.34', 4294967295, '16/B374D848', '$.a[*] ? (@ > 1)',
  '{t,f,null}', '{-32768,32767,null}', '{-2147483648,null}', '{-9223372036854775808,null}', '{1.5,NaN,Infinity,-Infinity,null}', '{0.1,NaN,-0,null}',
  '{1.000,-9999999.999,null}', '{NaN,Infinity,1.10,null}', '{"",null,"null","a,b","{}","\"","\\"}', '{00000000-0000-0000-0000-000000000000,null}', '{2020-02-29,0001-01-01,null}', '{00:00,null}', '{2020-01-01 00:00,null}', '{2020-01-01 00:00+00,null}',
  '{1 day,null}', array['{"a": 1}', 'null', null]::json[], array['{"a": 1}', 'null', null]::jsonb[], array['\x', '\xff', null]::bytea[], '{sad,null,happy}', array['', 'true', null]::odd_label[],
  array[row(1, 2, 'a')::point3, null, row(null, null, null)::point3], '{::1,null}', array['A@b.c', null]::email[]
);

insert into kinds (id, flag, i2, i4, i8, f4, f8, d5_2, d38_0, d38_38, d38_10, n, n50_5, n_neg, n_frac, t, vc, bp, ci, nm, ch,
  u, d, ti, tz, ts, tstz, iv, j, jb, b, e, eo, p, np, de, dc, dm, dt, a_bool, a_i4, a_t, a_d, a_p, a_jb, a_e) values
 (3, false, -32768, -2147483648, -9223372036854775808, -1.1754944e-38, 5e-324, -999.99, -99999999999999999999999999999999999999, -0.00000000000000000000000000000000000001, -0.0000000001,
  -0.0000000000000000000000000000000000000000000000000001, -0.00001, -100, -0.00999, '', '', '', '', '', '',
  '00000000-0000-0000-0000-000000000000', '0001-01-01', '00:00', '00:00+00', '0001-01-01 00:00', '0001-01-01 00:00+00', '-1 year -2 mons +3 days -04:05:06.5',
  'null', 'null', '', 'sad', '', row(null, null, null)::point3, row(null, null, null)::nested_pair, 'x@', -1, 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
 (4, null, 0, 0, 0, 'NaN', 'NaN', 0, 0, 0, 0, 'NaN', 'NaN', 0, 0, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '12026-07-04', '12:34:56.7', '12:34:56.7+05:30', '12026-07-04 01:02:03.5', '12026-07-04 01:02:03.5+00', '0',
  '1', '"s"', '\x0d0a', 'ok', 'quote"s', row(0, 'NaN', '')::point3, row(row(0, 0, '')::point3, '{}', '0044-03-15 12:00+00 BC')::nested_pair, 'x@y', 0, -0.01, '{null}', '{null}', '{null}', '{null}', '{null}', array[null]::point3[], array[null]::jsonb[], '{null}'),
 (5, null, 1, 1, 1, 'Infinity', '-Infinity', 0.01, 1, 0.1, 1, 'Infinity', 0, 12300, 0.00001, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '0044-03-15 BC', '00:00:00.000001', '00:00:00.000001+00', '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC', '-00:00:00.000001',
  '[]', '{}', '\x22', 'ok', 'ünï', null, null, 'x@y', 0, 0.1, null, null, null, null, null, null, null, null),
 (6, null, -1, -1, -1, '-0', '-0', -0.01, -1, -0.1, -1, '-Infinity', 1e44, -12300, 0, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '4713-01-01 BC', '12:00', '12:00+00', '4713-01-01 00:00 BC', '4713-01-01 00:00+00 BC', '178000000 years',
  '"\u0041"', '0', '\x5c', 'ok', 'true', null, null, 'x@y', 0, 0.1, null, null, null, null, null, null, null, null),
 (7, null, 2, 2, 2, 0.1, 0.1, 1, 1, 0.5, 0.5, 1e-20, 0.5, 0, 0, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '5874897-12-31', '12:00', '12:00+00', '294246-12-31 23:59:59.999999', '294246-12-31 23:59:59.999999+00', '1 mon -1 day',
  '0', '-0.0', '\x00', 'ok', 'plain', null, null, 'x@y', 0, 0.1, null, null, null, null, null, null, null, null),
 (8, null, 3, 3, 3, 16777216, 1e21, 1, 1, 0.5, 0.5, 1e50, 0.5, 0, 0, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1969-12-31', '12:00', '12:00+00', '1969-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', '1 mon',
  '0', '1e5', '\x00', 'ok', 'plain', null, null, 'x@y', 0, 0.1, null, null, null, null, null, null, null, null),
 (9, null, 3, 3, 3, 1e-7, 123456789.123456789, 1, 1, 0.5, 0.5, 0.00, 0.5, 0, 0, 'x', 'x', 'x', 'x', 'x', 'x',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1582-10-15', '12:00', '12:00+00', '1582-10-14 00:00', '1582-10-14 00:00+00', '1 mon',
  '0', '1', '\x00', 'ok', 'plain', null, null, 'x@y', 0, 0.1, null, null, null, null, null, null, null, null);

-- Not null, so that the fields are.
create table solid (
  code text primary key,
  flag bool not null, i4 int not null, i8 bigint not null, f8 float8 not null, d numeric(10, 2) not null, n numeric not null,
  at timestamptz not null, day date not null, e mood not null, eo odd_label not null, jb jsonb not null, b bytea not null, a int[] not null, p point3 not null,
  kind_id int not null references kinds,
  backup_kind_id int references kinds
);
insert into solid select 'c' || g, g % 2 = 0, g, g, g / 7.0, g / 100.0, g / 3.0, timestamptz '2020-01-01 00:00+00' + g * interval '1 hour',
  date '2020-01-01' + g, (array['sad', 'ok', 'happy']::mood[])[g % 3 + 1], 'plain', jsonb_build_object('g', g), int4send(g), array[g, null], row(g, g, g::text)::point3,
  g % 9 + 1, nullif(g % 10, 0)
from generate_series(1, 60) g;

create table tree_nodes (id int primary key, parent_id int references tree_nodes, name text not null);
insert into tree_nodes select g, nullif(g / 3, 0), 'node ' || g from generate_series(1, 60) g;

create table places (country text, city text, mayor text, primary key (country, city));
create table visits (id bigint generated always as identity primary key, country text, city text, solid_code text references solid on delete cascade, rating int2,
  foreign key (country, city) references places (country, city));
insert into places values ('CH', 'Bern', 'A'), ('CH', 'Zürich', null), ('FR', 'Paris', 'C'), ('FR', 'Nice "x"', 'D');
insert into visits (country, city, solid_code, rating)
  select c.country, c.city, 'c' || (g % 60 + 1), g % 5 from generate_series(1, 100) g
  join lateral (select * from (values ('CH', 'Bern'), ('CH', 'Zürich'), ('FR', 'Paris'), (null, null), ('FR', null)) as x(country, city) offset g % 5 limit 1) c on true;

create table measures (at timestamptz not null, place text not null, value float8, primary key (at, place)) partition by range (at);
create table measures_2020 partition of measures for values from ('2020-01-01 00:00+00') to ('2021-01-01 00:00+00');
create table measures_2021 partition of measures for values from ('2021-01-01 00:00+00') to ('2022-01-01 00:00+00');
insert into measures select timestamptz '2020-12-20 00:00+00' + g * interval '6 hours', 'p' || g % 3, g / 3.0 from generate_series(1, 100) g;

create view solid_view as select s.code, s.e, s.p, k.d as kind_day, k.a_t, count(v.id) as visits from solid s join kinds k on k.id = s.kind_id left join visits v on v.solid_code = s.code where k.id <> 7 group by s.code, k.id;
create materialized view solid_summary as select e, count(*) as n, sum(d) as total, avg(n) as mean, array_agg(code order by code) as codes from solid group by e;
create view va_solid as select code, e, d, at, n from solid;
create table "Odd Names" ("Key Part" int primary key, "SELECT" text, "a-b" int, "a_b" int, "ünï" text, "123" int);
insert into "Odd Names" values (1, 'x', 1, 2, 'u', 3), (2, null, null, null, null, null);
create table no_key (a int, b text);
insert into no_key values (1, 'a'), (1, 'a'), (null, null);
create table empty_table (id int primary key, t text, d numeric(9, 3), e mood, a text[], kind_id int references kinds);
analyze;
