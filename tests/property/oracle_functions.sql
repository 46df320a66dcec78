-- The text forms of the table of types, written from the documentation and from nothing else.
create schema if not exists ext;
create extension if not exists citext schema ext;
create schema if not exists oracle;

-- A mark and no error: PostgreSQL computes values of rows too that the answer does not have.
create or replace function oracle.refuse() returns text language sql immutable as $$
  select '!UNREPRESENTABLE!' $$;

-- ISO 8601 has a year 0, PostgreSQL goes from 1 BC to 1.
create or replace function oracle.date_text(value date) returns text language plpgsql as $$
declare
  year int;
begin
  if value is null then return null; end if;
  if not isfinite(value) then return oracle.refuse(); end if;
  year := extract(year from value);
  if year < 0 then year := year + 1; end if;
  return case
      when year between 1 and 9999 then lpad(year::text, 4, '0')
      else case when year < 0 then '-' else '+' end || lpad(abs(year)::text, 6, '0')
    end || to_char(value, '-MM-DD');
end $$;

create or replace function oracle.time_text(value time) returns text language plpgsql as $$
begin
  if value = '24:00' then return oracle.refuse(); end if;
  return regexp_replace(to_char(value, 'HH24:MI:SS.US'), '\.?0+$', '');
end $$;

-- Arrow counts microseconds since 1970 in 64 bits.
create or replace function oracle.stamp_text(value timestamp) returns text language plpgsql as $$
begin
  if value is null then return null; end if;
  if not isfinite(value) or value > '294247-01-10 04:00:54.775807' then
    return oracle.refuse();
  end if;
  return oracle.date_text(value::date) || 'T' || oracle.time_text(value::time);
end $$;

create or replace function oracle.moment_text(value timestamptz) returns text language plpgsql as $$
begin
  if not isfinite(value) then return oracle.refuse(); end if;
  return oracle.stamp_text(value at time zone 'UTC') || 'Z';
end $$;

create or replace function oracle.decimal_text(value numeric) returns text language plpgsql as $$
begin
  if value in ('NaN', 'Infinity', '-Infinity') then return oracle.refuse(); end if;
  -- Arrow's decimals have 38 digits.
  if length(regexp_replace(value::text, '^-?0*|\.', '', 'g')) > 38 then
    return oracle.refuse();
  end if;
  return value::text;
end $$;

-- JSON has no NaN and no infinities.
create or replace function oracle.float_json(value float4) returns json language sql as $$
  select case when value in ('NaN', 'Infinity', '-Infinity') then null else to_json(value) end $$;
create or replace function oracle.float_json(value float8) returns json language sql as $$
  select case when value in ('NaN', 'Infinity', '-Infinity') then null else to_json(value) end $$;

-- The earliest moment that clocks of the zone show as they show this one.
create or replace function oracle.first_moment(moment timestamptz, zone text) returns timestamptz
language plpgsql as $$
begin
  if moment is null or not isfinite(moment) or moment < '1900-01-01' then return moment; end if;
  return (select min(earlier)
    from generate_series(moment - interval '4 hours', moment, interval '15 minutes') earlier
    where earlier at time zone zone = moment at time zone zone);
end $$;

-- Means of decimals by whole numbers alone, none of which PostgreSQL rounds: units are 10^-scale.
create or replace function oracle.units(numerator numeric, denominator numeric, scale int)
returns numeric language sql as $$
  select sign(numerator) * div(2 * abs(numerator) + denominator, 2 * denominator)
    * ('1e-' || scale)::numeric $$;

create or replace function oracle.exact_avg(items numeric[], scale int) returns numeric
language plpgsql as $$
declare
  n numeric := (select count(v) from unnest(items) v);
begin
  if n = 0 then return null; end if;
  if 'NaN' = any (items) then return 'NaN'; end if;
  return oracle.units(
    (select sum(trunc(v * ('1e' || scale)::numeric)) from unnest(items) v), n, scale);
end $$;

-- n times the sum of squares less the square of the sum, which is n (n - 1) variances.
create or replace function oracle.spread(items numeric[], scale int) returns numeric
language sql as $$
  select count(v) * sum(v * v) - sum(v) * sum(v)
  from (select trunc(v * ('1e' || scale)::numeric) from unnest(items) v) units (v) $$;

create or replace function oracle.exact_variance(items numeric[], scale int) returns numeric
language plpgsql as $$
declare
  n numeric := (select count(v) from unnest(items) v);
begin
  if n < 2 then return null; end if;
  if 'NaN' = any (items) then return 'NaN'; end if;
  return oracle.units(
    oracle.spread(items, scale), n * (n - 1) * ('1e' || scale)::numeric, scale);
end $$;

create or replace function oracle.exact_stddev(items numeric[], scale int) returns numeric
language plpgsql as $$
declare
  n numeric := (select count(v) from unnest(items) v);
  square numeric;
  root numeric;
  next numeric;
begin
  if n < 2 then return null; end if;
  if 'NaN' = any (items) then return 'NaN'; end if;
  -- Twice the root, so that its half can be rounded; by Newton, from above.
  square := div(4 * oracle.spread(items, scale), n * (n - 1));
  next := ('1e' || (length(square::text) / 2 + 1))::numeric;
  loop
    root := next;
    exit when root = 0;
    next := div(root + div(square, root), 2);
    exit when next >= root;
  end loop;
  return div(root + 1, 2) * ('1e-' || scale)::numeric;
end $$;
