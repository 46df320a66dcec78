-- The same rows on every machine. Keys grow with time, as UUIDs of version 7 do.

create table people (
  id uuid not null,
  number bigint not null,
  name text not null,
  email text,
  age integer not null,
  visits bigint not null,
  balance numeric(12,2) not null,
  active boolean not null,
  score double precision not null,
  created_at timestamptz not null,
  attributes jsonb,
  tags text[] not null
);

create table page_views (
  id bigint not null,
  person_id uuid not null,
  page text not null,
  paid numeric(12,2) not null,
  seen_at timestamptz not null
);

insert into people
select
  (lpad(to_hex(1700000000000 + i * 37), 12, '0') || '7' || substr(md5(i::text), 1, 3)
    || '8' || substr(md5(i::text), 4, 15))::uuid,
  i,
  'Person number ' || i,
  case when i % 10 <> 0 then 'person' || i || '@example.com' end,
  18 + i * 7 % 73,
  i * 1000003,
  (i * 7919 % 10000000)::numeric / 100,
  i % 3 <> 0,
  i * 0.37 + 1.0 / i,
  timestamptz '2023-11-14 22:13:20+00' + i * interval '37.001003 s',
  case when i % 5 <> 0 then jsonb_build_object(
    'plan', (array['free', 'team', 'enterprise'])[1 + i % 3],
    'address', jsonb_build_object('city', 'City ' || i % 997, 'lines', jsonb_build_array(i % 90, 'Main street')),
    'newsletter', i % 2 = 0) end,
  array['red', 'tag' || i % 50, 'a longer tag']
from generate_series(1, {rows}::bigint) i;

alter table people add primary key (id);

insert into page_views
select (p.number - 1) * 5 + n, p.id, '/page/' || n, (p.number * n % 10000)::numeric / 100,
  p.created_at + n * interval '1 hour'
from people p, generate_series(1, 5) n
where p.number <= 20000;

alter table page_views add primary key (id), add foreign key (person_id) references people;

create index on page_views (person_id);

create view ten_copies as select p.* from generate_series(1, 10) n cross join people p;

vacuum analyze people;

vacuum analyze page_views;
