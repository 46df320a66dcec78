-- Functions that do not touch the user's tables. All are replaced by each `fraiseql migrate`.

-- A UUIDv7: milliseconds, their fraction, the database's bits, and the position in the last 48 bits.
-- Sorted by (time, id), events of one time are in order of their positions.
create or replace function fraiseql.event_id(at timestamptz, log_position bigint, database_bits integer)
returns uuid language sql stable parallel safe as $$
  -- A millisecond has 4096 parts: microseconds * 4096 / 1000 are its digits and theirs, 12 and 3.
  select (
    overlay(lpad(to_hex((extract(epoch from $1) * 1000000)::bigint * 512 / 125), 15, '0')
      placing '7' from 13 for 0)
    || to_hex(32768 | $3) || lpad(to_hex($2), 12, '0')
  )::uuid
$$;

-- A logged event's id. The database's bits stand in a function, since that is inlined: migrate makes it.
create or replace function fraiseql.id_of(log fraiseql.change_log)
returns uuid language sql stable parallel safe as $$
  select coalesce(log.event_id,
    fraiseql.event_id(log.recorded_at, log.position, fraiseql.database_bits()))
$$;

-- Eight bytes of SHA-256 of the id's 16 bytes, as an unsigned number. Summed modulo 2^64 they tell
-- whether two sets of events are the same, in whatever order. One expression that names the id once,
-- since such is inlined: called for each row it took four times as long, and emptying a slot waits
-- for it.
create or replace function fraiseql.event_hash(id uuid)
returns numeric language sql immutable parallel safe as $$
  select mod(18446744073709551616
    + ('x' || encode(substr(sha256(uuid_send($1)), 1, 8), 'hex'))::bit(64)::bigint,
    18446744073709551616)
$$;

create or replace function fraiseql.event_time(at timestamptz)
returns text language sql stable parallel safe as $$
  select pg_catalog.to_char($1 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Zero characters and halves of pairs become the text of their escape. With E, since a session can have
-- standard_conforming_strings off.
create or replace function fraiseql.mended_json(text)
returns text language sql immutable parallel safe as $$
  select regexp_replace(
    translate($1, E'\n\r', '  '),
    E'(?<!\\\\)((?:\\\\\\\\)*)\\\\(u0000|u[dD][89abAB][0-9a-fA-F]{2}(?!\\\\u[dD][c-fC-F])'
      || E'|(?<!\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\)u[dD][c-fC-F][0-9a-fA-F]{2})',
    E'\\1\\\\\\\\\\2', 'g')
$$;

-- A row's JSON on one line that every JSON reader takes. row_to_json() writes columns of type json
-- as they are: with line breaks, and with escapes that stand for no character.
create or replace function fraiseql.clean_json(data json)
returns json language plpgsql immutable parallel safe as $$
begin
  return case
    when strpos(data::text, chr(10)) = 0 and strpos(data::text, chr(13)) = 0
      and strpos(data::text, E'\\u0000') = 0 and strpos(data::text, E'\\ud') = 0
      and strpos(data::text, E'\\uD') = 0 then data
    else fraiseql.mended_json(data::text)::json
  end;
end $$;

-- A composite key: a JSON array of texts.
create or replace function fraiseql.composite_key(data json, key_columns text[])
returns text language sql immutable parallel safe as $$
  select array_to_json(array(select data ->> name from unnest(key_columns) as name))::text
$$;

-- The row without the columns that are left out; null for null.
create or replace function fraiseql.without(data json, left_out text[])
returns json language sql immutable parallel safe as $$
  select case when data is not null then (
    select concat('{', string_agg(to_json(key)::text || ':' || value::text, ','), '}')::json
    from json_each(data) where key <> all (left_out)
  ) end
$$;

-- The row before an update, from the row after it and what changed.
create or replace function fraiseql.old_data(data text, changes text)
returns text language sql immutable parallel safe as $$
  select concat('{', string_agg(
    to_json(d.key)::text || ':' || coalesce(($2::json -> d.key -> 'old')::text, d.value::text), ','), '}')
  from json_each($1::json) d
$$;

-- What an update changed; null for rows above the limit, where making it takes a minute for 100 MB.
create or replace function fraiseql.changes_of(
  old json, new json, key_columns text[], bytes_max integer)
returns text language sql immutable parallel safe as $$
  select case
    when greatest(octet_length($1::text), octet_length($2::text)) <= $4 then (
      select concat('{', string_agg(
        concat(to_json(c.name), ':{"old":', c.was, ',"new":', c.becomes, '}'), ','), '}')
      from rows from (json_each($1), json_each($2)) as c(name, was, name_too, becomes)
      where c.was::text <> c.becomes::text and c.name <> all ($3))
    end
$$;

-- The same of rows that may be above it: then something that is. In PL/pgSQL, since a query that names an
-- SQL function takes a fifth longer, called or not.
create or replace function fraiseql.long_changes(
  old json, new json, key_columns text[], bytes_max integer)
returns text language plpgsql immutable parallel safe as $$
begin
  return coalesce(fraiseql.changes_of($1, $2, $3, $4), repeat(' ', $4));
end $$;

-- What is left of a row above the limit: its key, and the names of what was cut.
create or replace function fraiseql.truncated(data json, key_columns text[])
returns text language sql immutable parallel safe as $$
  select concat('{',
    string_agg(to_json(key)::text || ':' || value::text || ',', '') filter (where key = any (key_columns)),
    '"$truncated":',
    coalesce(array_to_json(array_agg(key) filter (where key <> all (key_columns))), '[]'), '}')
  from json_each(data)
$$;

create or replace function fraiseql.secret_name(name text)
returns boolean language sql immutable parallel safe as $$
  select name ~* 'pass_?w(or)?d|passphrase|secret|token|api_?key|private_?key'
$$;

create or replace function fraiseql.change_log_bytes()
returns bigint language sql volatile as $$
  select sum(pg_total_relation_size(i.inhrelid))::bigint
  from pg_inherits i where i.inhparent = 'fraiseql.change_log'::regclass
$$;

-- A captured table with the columns' numbers of this database, found by name.
create or replace function fraiseql.by_names(captured fraiseql.captured_tables)
returns fraiseql.captured_tables language plpgsql stable as $$
declare
  numbers jsonb;
begin
  select jsonb_object_agg(attname, attnum) into numbers from pg_attribute
  where attrelid = captured.relation and attnum > 0 and not attisdropped;
  captured.key_numbers := array(select (numbers ->> n)::smallint from unnest(captured.key_names) n);
  captured.column_numbers := array(
    select (numbers ->> n)::smallint from unnest(captured.column_names) n where numbers ? n);
  captured.user_number := (numbers ->> captured.user_name)::smallint;
  captured.org_number := (numbers ->> captured.org_name)::smallint;
  captured.timestamp_number := (numbers ->> captured.timestamp_name)::smallint;
  captured.relation_oid := captured.relation;
  return captured;
end $$;

-- Brings names and numbers of the registry up to date: after renames, and after a restored dump.
create or replace function fraiseql.refresh_captured()
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  captured fraiseql.captured_tables;
begin
  -- Tables that were dropped.
  delete from fraiseql.captured_tables t where not exists (select from pg_class where oid = t.relation);
  delete from fraiseql.captured_relations m
  where not exists (select from pg_class where oid = m.relation);
  for captured in select * from fraiseql.captured_tables loop
    if captured.relation::oid <> captured.relation_oid then
      captured := fraiseql.by_names(captured);
    end if;
    update fraiseql.captured_tables t set
      relation_oid = captured.relation_oid,
      key_numbers = captured.key_numbers,
      key_names = fraiseql.column_names(captured.relation, captured.key_numbers, captured.key_names),
      column_numbers = captured.column_numbers,
      column_names =
        fraiseql.column_names(captured.relation, captured.column_numbers, captured.column_names),
      user_number = captured.user_number,
      user_name = (fraiseql.column_names(
        captured.relation, array[captured.user_number], array[captured.user_name]))[1],
      org_number = captured.org_number,
      org_name = (fraiseql.column_names(
        captured.relation, array[captured.org_number], array[captured.org_name]))[1],
      timestamp_number = captured.timestamp_number,
      timestamp_name = (fraiseql.column_names(
        captured.relation, array[captured.timestamp_number], array[captured.timestamp_name]))[1]
    where t.relation = captured.relation;
  end loop;
  perform fraiseql.describe_captured();
  perform fraiseql.write_triggers();
end $$;

-- Names of columns by number; the name that was known for those which are gone.
create or replace function fraiseql.column_names(relation regclass, numbers smallint[], known text[])
returns text[] language sql stable as $$
  select array(
    select coalesce(a.attname::text, n.known)
    from unnest(numbers, known) with ordinality as n(number, known, i)
    left join pg_attribute a
      on a.attrelid = relation and a.attnum = n.number and a.attnum > 0 and not a.attisdropped
    order by n.i)
$$;

-- Marks that writes of an entity type (null: of all) are left out, unless that is marked already.
create or replace function fraiseql.mark_gap(entity text, why text)
returns void language sql as $$
  insert into fraiseql.change_gaps (entity_type, reason, began_position)
  select entity, why, p.last_value from fraiseql.change_log_position p
  where not exists (
    select from fraiseql.change_gaps g
    where g.ended_at is null and g.reason = why and g.entity_type is not distinct from entity)
$$;

-- Measures the log, and sets the flag where it is full; gives whether it is.
create or replace function fraiseql.check_full(bytes_max bigint)
returns boolean language plpgsql as $$
begin
  if fraiseql.change_log_bytes() < bytes_max then return false; end if;
  perform setval('fraiseql.change_log_full', 2);
  return true;
end $$;

-- Lets writers go on where the log was full and has room again; a tenth is kept free, so that it
-- does not stop again at once.
create or replace function fraiseql.resume_capture()
returns boolean language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  bytes_max bigint := (select s.log_bytes_max from fraiseql.capture_settings s);
begin
  if fraiseql.change_log_bytes() >= bytes_max - bytes_max / 10 then return false; end if;
  perform setval('fraiseql.change_log_full', 1);
  update fraiseql.change_gaps set
    ended_at = clock_timestamp(),
    ended_position = (select p.last_value from fraiseql.change_log_position p),
    ended_snapshot = pg_current_snapshot()
  where ended_at is null and reason = 'full';
  return true;
end $$;

-- Moves writers to an empty slot once the current one is large or old, where there is one. Gives
-- whether they were moved.
create or replace function fraiseql.advance_slot(slot_bytes_max bigint, slot_age_max interval)
returns boolean language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  settings fraiseql.capture_settings;
  next_slot smallint;
begin
  select * into settings from fraiseql.capture_settings for update;
  -- A transaction that moved them and was rolled back has done so for writers alone.
  if pg_sequence_last_value('fraiseql.writers_slot') is distinct from settings.current_slot then
    perform setval('fraiseql.writers_slot', settings.current_slot);
  end if;
  if pg_relation_size(('fraiseql.change_log_' || settings.current_slot)::regclass) = 0
    or pg_total_relation_size(('fraiseql.change_log_' || settings.current_slot)::regclass)
      < slot_bytes_max and clock_timestamp() - settings.slot_since < slot_age_max then
    return false;
  end if;
  select n % 16 into next_slot
  from generate_series(settings.current_slot + 1, settings.current_slot + 15) n
  where pg_relation_size(('fraiseql.change_log_' || n % 16)::regclass) = 0
  order by n limit 1;
  if next_slot is null then return false; end if;
  update fraiseql.capture_settings set current_slot = next_slot, slot_since = clock_timestamp();
  perform setval('fraiseql.writers_slot', next_slot);
  return true;
end $$;

-- Empties a slot whose rows are all visible in the snapshot and older than the time, and keeps their
-- digest. Gives the number of rows, or null where the slot is still needed or somebody uses it.
create or replace function fraiseql.empty_slot(
  slot smallint, confirmed pg_snapshot, before timestamptz, lock_ms integer)
returns bigint language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  name text := 'fraiseql.change_log_' || slot;
  seen pg_snapshot;
  is_needed boolean;
  row_count bigint;
begin
  if slot = (select s.current_slot from fraiseql.capture_settings s) then return null; end if;
  if pg_relation_size(name::regclass) = 0 then return null; end if;
  perform set_config('lock_timeout', lock_ms::text, true);
  begin
    -- Nobody would wait for the digest behind a lock that cannot be had; it is given back at once.
    begin
      execute format('lock table %s in access exclusive mode', name);
      raise exception using errcode = 'FQ001';
    exception when sqlstate 'FQ001' then null;
    end;
    seen := pg_current_snapshot();
    execute format(
      -- Events of other producers bring a time of their own, which may be far ahead.
      'select exists (select from %s
        where not pg_visible_in_snapshot(xid, $1) or recorded_at >= $2 and origin is null)', name) into is_needed using confirmed, before;
    if is_needed then return null; end if;
    execute format($q$
      with digest as (
        insert into fraiseql.change_digest (entity_type, hour, event_count, event_hash)
        select entity_type, date_trunc('hour', recorded_at at time zone 'UTC') at time zone 'UTC',
          count(*), mod(sum(fraiseql.event_hash(fraiseql.id_of(l))), 18446744073709551616)
        from %s l group by 1, 2 returning event_count)
      select coalesce(sum(event_count), 0) from digest $q$, name) into row_count;
    execute format('lock table %s in access exclusive mode', name);
    -- A transaction that began long ago can have written here meanwhile: in its old snapshot this is
    -- the current slot.
    execute format($q$
      select exists (select from %1$s where xid >= pg_snapshot_xmax($1))
        or exists (
          select from %1$s where xid = any (array(select pg_snapshot_xip($1))))$q$, name)
      into is_needed using seen;
    if is_needed then raise exception using errcode = 'FQ002'; end if;
    execute format('truncate %s', name);
  exception when lock_not_available or sqlstate 'FQ002' then return null;
  end;
  perform fraiseql.resume_capture();
  return row_count;
end $$;
