-- What the trigger functions call: part of every write to a captured table. What can make it fail
-- makes the user's write fail, so it takes no lock, reads no table of the user's (but for TRUNCATE, and
-- to order several events of a row) and depends on no setting of the session's.

do $$
begin
  -- What a trigger function must know; read once for each statement.
  create type fraiseql.capturing as (
    entity_type text,
    key_columns text[],
    key_is_unique boolean,
    left_out text[],
    -- Its transition tables are not what is logged: they do not show virtual generated columns
    -- (PostgreSQL 18), and a part's have its own order of columns, which may not be the root's.
    is_computed boolean,
    -- No column can hold JSON as a user wrote it; see clean_json().
    is_plain boolean,
    user_column text,
    org_column text,
    -- Null: nothing is to be captured.
    slot smallint,
    database_bits integer,
    event_bytes_max integer,
    truncate_rows_max bigint,
    log_bytes_max bigint,
    refuse_writes boolean,
    -- The last position drawn before this statement's.
    last_position bigint,
    user_id text,
    org_id text,
    traceparent text,
    -- An earlier trigger of the same statement captured this entity type too: a row trigger of the
    -- user's, a cascade, or another part of MERGE, ON CONFLICT or WITH.
    is_again boolean
  );
exception when duplicate_object then null;
end $$;

-- Tells statements of the client apart, in whatever time zone.
create or replace function fraiseql.statement_number()
returns text language sql stable as $$
  select (date_part('epoch', statement_timestamp()) * 1000000)::bigint::text
$$;

-- Names the setting that holds the statement in which an entity type was captured last.
create or replace function fraiseql.marker(entity_type text)
returns text language sql immutable as $$
  select 'fraiseql.captured_' || to_hex(hashtext($1))
$$;

-- Whether an earlier trigger of this statement of the client captured the entity type too; marks it.
create or replace function fraiseql.is_again(entity_type text)
returns boolean language sql volatile as $$
  select case when current_setting(fraiseql.marker($1), true) = fraiseql.statement_number() then true
    else set_config(fraiseql.marker($1), fraiseql.statement_number(), true) is null end
$$;

-- What a trigger function must not take from the session: what values look like as text, and how its
-- queries are planned. A plan is kept, and one that was made for a single row must do for a million.
create or replace function fraiseql.pinned_settings()
returns table (name text, value text) language sql immutable as $$
  values ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'iso_8601'),
    ('bytea_output', 'hex'), ('extra_float_digits', '1'), ('lc_monetary', 'C'),
    ('xmlbinary', 'base64'), ('enable_nestloop', 'off'), ('enable_mergejoin', 'off')
$$;

-- Those that a type's values as JSON go by. Each costs a small write some hundredths of its time, so a
-- trigger function has those alone that its table needs. Of a type that is not known all.
create or replace function fraiseql.settings_of(type_ oid)
returns text[] language plpgsql stable as $$
declare
  found record;
begin
  select t.typtype, t.typelem, t.typcategory, t.typbasetype into found
  from pg_type t where t.oid = type_;
  return case
    when found.typtype = 'e' then '{}'
    when found.typtype = 'd' then fraiseql.settings_of(found.typbasetype)
    when found.typcategory = 'A' then fraiseql.settings_of(found.typelem)
    when type_ = any (array['bool', 'int2', 'int4', 'int8', 'oid', 'numeric', 'text', 'varchar',
      'bpchar', 'name', 'uuid', 'json', 'jsonb', 'date', 'time', 'timestamp', 'inet', 'cidr', 'macaddr',
      'bit', 'varbit', 'int4range', 'int8range', 'numrange']::regtype[]) then '{}'
    when type_ = 'timestamptz'::regtype then '{TimeZone}'
    when type_ = 'interval'::regtype then '{IntervalStyle}'
    when type_ = 'bytea'::regtype then '{bytea_output}'
    when type_ in ('float4'::regtype, 'float8'::regtype) then '{extra_float_digits}'
    else array['TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits',
      'lc_monetary', 'xmlbinary']
  end;
end $$;

-- Sets them, and gives what they were.
create or replace function fraiseql.pin_settings()
returns text[] language plpgsql as $$
declare
  saved text[];
begin
  saved := array(select current_setting(p.name) from fraiseql.pinned_settings() p);
  perform set_config(p.name, p.value, true) from fraiseql.pinned_settings() p;
  return saved;
end $$;

create or replace function fraiseql.restore_settings(saved text[])
returns void language plpgsql as $$
begin
  perform set_config(p.name, p.value, true)
  from rows from (fraiseql.pinned_settings(), unnest(saved)) as p(name, pinned, value)
  where p.value <> current_setting(p.name);
end $$;

-- Logs an event whose line may be above the limit: its changes go first, then all but the key. Gives
-- false, and so leaves it out of the query that found it.
create or replace function fraiseql.log_aside("position" bigint, event_type text, entity_type text,
  entity_id text, recorded_at timestamptz, user_id text, org_id text, data text, changes text,
  old text, key_columns text[])
returns boolean language plpgsql as $$
declare
  settings fraiseql.capture_settings;
  -- What the other keys of the line leave; a letter takes six bytes at most.
  room integer;
  cut smallint := 0;
begin
  select * into settings from fraiseql.capture_settings;
  room := settings.event_bytes_max - 300
    - 6 * octet_length(concat(entity_type, entity_id, user_id, org_id));
  if octet_length(data) > room then
    cut := 2;
  elsif octet_length(data) + octet_length(changes) > room then
    cut := 1;
  end if;
  insert into fraiseql.change_log (slot, position, xid, key_hash, old_hash, new_hash, event_type,
    entity_type, entity_id, recorded_at, user_id, org_id, traceparent, data, changes, cut)
  values (settings.current_slot, "position", pg_current_xact_id(),
    hashtextextended(entity_type || ' ' || entity_id, 0),
    hashtextextended(case event_type when 'Deleted' then data else old end, 0),
    case when event_type <> 'Deleted' then hashtextextended(data, 0) end, event_type, entity_type,
    entity_id, recorded_at, user_id, org_id, nullif(current_setting('fraiseql.traceparent', true), ''),
    case cut when 2 then fraiseql.truncated(data::json, key_columns) else data end,
    case cut when 0 then changes end, cut);
  perform fraiseql.measure();
  return false;
end $$;

-- Says that an update of this statement gave rows other keys. Gives false, as log_aside() does.
create or replace function fraiseql.note_moved()
returns boolean language plpgsql as $$
begin
  perform set_config('fraiseql.moved', fraiseql.statement_number(), true);
  return false;
end $$;

-- Whether values of the type can hold JSON as a user wrote it: json and its arrays, and types of the
-- user's that can be made of them.
create or replace function fraiseql.may_hold_json(type_ oid)
returns boolean language sql stable as $$
  select type_ in (114, 199)
    or type_ >= 16384 and (select t.typtype from pg_type t where t.oid = type_) <> 'e'
$$;

-- A type in the table's rows whose owner has not our rights anyway; null: there is none. JSON of values is
-- made by a cast where a type has one, which its owner can write, and which would run with our rights.
create or replace function fraiseql.foreign_type(relation_ oid)
returns regtype language sql stable as $$
  with recursive types(oid) as (
    select a.atttypid from pg_attribute a
    where a.attrelid = relation_ and a.attnum > 0 and not a.attisdropped and a.atttypid >= 16384
    union
    select p.part from types join pg_type t on t.oid = types.oid cross join lateral (
      select t.typelem union all select t.typbasetype
      union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
      union all select a.atttypid from pg_attribute a
      where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped
    ) p(part) where p.part >= 16384
  )
  select t.oid::regtype from types join pg_type t on t.oid = types.oid
  where not pg_has_role(t.typowner,
    (select n.nspowner from pg_namespace n where n.nspname = 'fraiseql'), 'usage')
  order by t.oid limit 1
$$;

-- A part's columns as the root has them: in its order; those that the root has not come last.
create or replace function fraiseql.columns_of(relation_ oid, root oid)
returns table (name text, number smallint, place integer) language sql stable as $$
  select a.attname::text, a.attnum, coalesce(r.attnum, 1600 + a.attnum)::integer
  from pg_attribute a
  left join pg_attribute r on r.attrelid = root and r.attname = a.attname and r.attnum > 0
    and not r.attisdropped
  where a.attrelid = relation_ and a.attnum > 0 and not a.attisdropped
$$;

-- Whether a part was made with its columns in another order than the root's. Then its rows are logged in
-- the root's, since put_in_order() compares their texts with those that were written by way of the root.
create or replace function fraiseql.is_reordered(relation_ oid, root oid)
returns boolean language sql stable as $$
  select relation_ <> root and coalesce(bool_or(c.place < c.before), false) from (
    select f.place, lag(f.place) over (order by f.number) as before
    from fraiseql.columns_of(relation_, root) f where f.place <= 1600
  ) c
$$;

-- SQL that gives the JSON of a table's row `t`, in the root's order of columns.
create or replace function fraiseql.row_json_code(relation_ oid)
returns text language sql stable as $$
  select coalesce((
    select format('(select row_to_json(r) from (select %s) r)', (
      select string_agg(format('t.%I', c.name), ', ' order by c.place)
      from fraiseql.columns_of(m.relation, m.root) c))
    from fraiseql.captured_relations m
    where m.relation = relation_ and fraiseql.is_reordered(m.relation, m.root)
  ), 'row_to_json(t.*)')
$$;

-- Which columns are which just now, in a table or a part of one; no key_columns where one is gone, or
-- where a type is somebody else's.
create or replace function fraiseql.describe(relation_ oid, captured fraiseql.captured_tables)
returns fraiseql.capturing language plpgsql stable as $$
declare
  found fraiseql.capturing;
begin
  if captured.relation::oid <> captured.relation_oid then
    captured := fraiseql.by_names(captured);
  end if;
  select
    array_agg(a.attname::text order by array_position(captured.key_numbers, a.attnum))
      filter (where a.attnum = any (captured.key_numbers)),
    array_agg(a.attname::text) filter (where a.attnum <> all (captured.key_numbers) and
      case captured.listed when 'only' then a.attnum <> all (captured.column_numbers)
      else a.attnum = any (captured.column_numbers) or fraiseql.secret_name(a.attname) end),
    bool_or(a.attgenerated = 'v'),
    not bool_or(fraiseql.may_hold_json(a.atttypid)),
    max(a.attname::text) filter (where a.attnum = captured.user_number),
    max(a.attname::text) filter (where a.attnum = captured.org_number)
  into found.key_columns, found.left_out, found.is_computed, found.is_plain, found.user_column,
    found.org_column
  from pg_attribute a
  where a.attrelid = captured.relation and a.attnum > 0 and not a.attisdropped;
  if relation_ <> captured.relation then
    -- What inherits has columns of its own, which a write by way of the root does not show.
    found.left_out := nullif(coalesce(found.left_out, '{}') || array(
      select a.attname::text from pg_attribute a
      where a.attrelid = relation_ and a.attnum > 0 and not a.attisdropped and not exists (
        select from pg_attribute r
        where r.attrelid = captured.relation and r.attname = a.attname)), '{}');
  end if;
  found.is_computed := found.is_computed or fraiseql.is_reordered(relation_, captured.relation);
  found.key_is_unique := fraiseql.is_unique(captured.relation, captured.key_numbers);
  if cardinality(found.key_columns) is distinct from cardinality(captured.key_numbers)
    or fraiseql.foreign_type(relation_) is not null then
    found.key_columns := null;
  end if;
  return found;
end $$;

-- Changes with every change of the columns' names, numbers, types and kinds. Written out in the trigger
-- functions, since a call costs as much as the rest of their query.
create or replace function fraiseql.fingerprint(relation_ oid, root oid)
returns numeric language sql stable as $$
  select sum(hashtextextended(a.attname::text || a.attgenerated::text || a.attnotnull::text, a.attnum)
    # a.atttypid::bigint)
  from pg_attribute a
  where a.attrelid = any (array[relation_, root]) and a.attnum > 0 and not a.attisdropped
$$;

-- Keeps what describe() finds of these tables for the next writes.
create or replace function fraiseql.describe_members(members_ regclass[])
returns void language sql as $$
  update fraiseql.captured_relations m set
    columns_fingerprint = case when d.key_columns is not null
      then fraiseql.fingerprint(m.relation, m.root) end,
    entity_type = c.entity_type, key_is_unique = d.key_is_unique,
    key_columns = d.key_columns, left_out = d.left_out, is_computed = d.is_computed,
    is_plain = d.is_plain, user_column = d.user_column, org_column = d.org_column
  from fraiseql.captured_relations r
  join fraiseql.captured_tables c on c.relation = r.root
  join pg_class p on p.oid = r.relation
  cross join lateral fraiseql.describe(r.relation, c) d
  where m.relation = r.relation and r.relation = any (members_)
$$;

-- Keeps it of every table.
create or replace function fraiseql.describe_captured()
returns void language sql as $$
  select fraiseql.describe_members(array(select m.relation from fraiseql.captured_relations m))
$$;

-- What a trigger function must know, where something is out of the ordinary: the columns changed, the
-- log is full, the reader sleeps.
create or replace function fraiseql.capturing(relation_ oid)
returns fraiseql.capturing language plpgsql as $$
declare
  found fraiseql.capturing;
  captured record;
  registered fraiseql.captured_tables;
begin
  select c.*, s.current_slot, s.database_bits, s.event_bytes_max, s.truncate_rows_max,
    s.log_bytes_max, s.refuse_writes,
    (select p.last_value from fraiseql.change_log_position p) as last_position,
    (select r.last_value from fraiseql.reader_asleep r) as asleep,
    (select f.last_value from fraiseql.change_log_full f) as is_full
  into captured
  from fraiseql.captured_relations m
  join fraiseql.captured_tables c on c.relation = m.root, fraiseql.capture_settings s
  where m.relation = relation_;
  if captured.relation is null then
    perform fraiseql.mark_gap(null, 'no entry for ' || relation_::regclass);
    return null;
  end if;
  -- What it holds is no longer of the table.
  if not fraiseql.is_part(relation_, captured.relation) then return null; end if;
  if captured.is_full = 2 then
    if not captured.refuse_writes then
      perform fraiseql.mark_gap(null, 'full');
      return null;
    end if;
    if fraiseql.check_full(captured.log_bytes_max) then
      raise exception using errcode = 'configuration_limit_exceeded',
        message = format('the change log of FraiseQL is full, and so %s cannot be written',
          relation_::regclass),
        hint = 'see that fraiseql observe runs and its sinks answer, raise change_log_bytes_max, or '
          'set FRAISEQL_CHANGE_LOG_FULL=stop-capturing and run fraiseql migrate';
    end if;
    perform setval('fraiseql.change_log_full', 1);
  end if;
  select * into registered from fraiseql.captured_tables t where t.relation = captured.relation;
  found := fraiseql.describe(relation_, registered);
  if found.key_columns is null then
    perform fraiseql.mark_gap(captured.entity_type, coalesce(
      'type ' || fraiseql.foreign_type(relation_) || ' of another owner', 'key column dropped'));
    return null;
  end if;
  found.slot := captured.current_slot;
  found.database_bits := captured.database_bits;
  found.event_bytes_max := captured.event_bytes_max;
  found.truncate_rows_max := captured.truncate_rows_max;
  found.log_bytes_max := captured.log_bytes_max;
  found.refuse_writes := captured.refuse_writes;
  found.last_position := captured.last_position;
  found.entity_type := captured.entity_type;
  found.user_id := nullif(current_setting('fraiseql.user_id', true), '');
  found.org_id := nullif(current_setting('fraiseql.org_id', true), '');
  found.traceparent := nullif(current_setting('fraiseql.traceparent', true), '');

  found.is_again := fraiseql.is_again(found.entity_type);

  if captured.asleep = 2 then perform fraiseql.wake_reader(); end if;
  return found;
end $$;

-- A notification in every transaction would make commits wait for each other. A transaction with one
-- cannot be prepared, so where there may be such the reader finds out by itself.
create or replace function fraiseql.wake_reader()
returns void language plpgsql as $$
begin
  if current_setting('max_prepared_transactions') = '0' then
    perform pg_notify('fraiseql_events', '');
  end if;
end $$;

-- Measures the log, and marks it where writes are no longer captured from now on.
create or replace function fraiseql.measure()
returns void language plpgsql as $$
declare
  settings fraiseql.capture_settings;
begin
  select * into settings from fraiseql.capture_settings;
  if fraiseql.check_full(settings.log_bytes_max) and not settings.refuse_writes then
    perform fraiseql.mark_gap(null, 'full');
  end if;
end $$;

-- Names the setting that holds the end of a key's events, where these are known to be in order. Keys
-- share 256 of them, since a session keeps the names; who finds another's reads the events.
create or replace function fraiseql.tail(key bigint)
returns text language sql immutable as $$
  select 'fraiseql.tail_' || (key & 255)
$$;

-- What it holds: good for one statement of the client, in which all of the key's later events are
-- looked at. It is undone with them by a savepoint.
create or replace function fraiseql.tail_of(key bigint, row_hash text)
returns text language sql stable as $$
  select concat(fraiseql.statement_number(), ' ', key, ' ', row_hash)
$$;

-- Those of the keys, by their hashes, that have more than one event in this transaction. Not in SQL,
-- whose functions PostgreSQL plans with each call: that takes longer than the write itself.
create or replace function fraiseql.keys_again(keys bigint[])
returns bigint[] language plpgsql as $$
declare
  known bigint[];
  unknown bigint[];
begin
  select array_agg(k.key) filter (where k.has_tail), array_agg(k.key) filter (where not k.has_tail)
  into known, unknown
  from (
    select u.key, coalesce(current_setting(fraiseql.tail(u.key), true), '')
      like fraiseql.tail_of(u.key, '%') as has_tail
    from (select distinct unnest(keys) as key) u
  ) k;
  if unknown is null then return known; end if;
  return (
    select known || array_agg(u.key) from unnest(unknown) u(key)
    where (
      select count(*) from (
        select from fraiseql.change_log l where l.xid = pg_current_xact_id() and l.key_hash = u.key
        limit 2) two
    ) = 2);
end $$;

-- Those of the keys whose events have to be read to put them in order. They need not be where this
-- trigger logged one that leads from the end of those before to the present row: to read all of them
-- with each write of a row makes many writes of it take the square of their number.
create or replace function fraiseql.keys_astray(
  keys_ bigint[], logged bigint[], olds bigint[], news bigint[], present jsonb)
returns bigint[] language plpgsql as $$
declare
  astray bigint[];
  followed bigint[];
begin
  select array_agg(k.key) filter (where not k.follows), array_agg(k.key) filter (where k.follows)
  into astray, followed
  from (
    select l.key, count(*) = 1 and bool_and(
      current_setting(fraiseql.tail(l.key), true)
        is not distinct from fraiseql.tail_of(l.key, l.old_hash::text)
      and coalesce(l.new_hash::text, '') = coalesce(present ->> l.key::text, '')) as follows
    from unnest(logged, olds, news) as l(key, old_hash, new_hash)
    where l.key = any (keys_)
    group by l.key
  ) k;
  perform fraiseql.note_tails(followed, present);
  return astray;
end $$;

-- Says of these keys that their events are in order and end with the present row.
create or replace function fraiseql.note_tails(keys bigint[], present jsonb)
returns void language plpgsql as $$
begin
  perform set_config(fraiseql.tail(key), fraiseql.tail_of(key, present ->> key::text), true)
  from unnest(keys) key;
end $$;

-- SQL that gives the present rows of the keys in `rows` (a query of the statement's transition
-- tables) as {key hash: row hash}; null where we may not read the table.
create or replace function fraiseql.present_rows(
  capture fraiseql.capturing, relation_ regclass, rows_ text)
returns text language plpgsql as $$
declare
  same text;
begin
  if not has_table_privilege(relation_, 'select') or row_security_active(relation_) then
    return null;
  end if;
  select string_agg(
    -- Operators of types that are not PostgreSQL's own are not in the search path.
    case when t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b'
        and t.typcategory in ('N', 'S', 'D', 'B') or t.typname = 'uuid'
      then format('t.%1$I = r.%1$I', a.attname)
      else format('t.%1$I::text = r.%1$I::text', a.attname) end, ' and ')
  into same
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where a.attrelid = relation_ and a.attname = any (capture.key_columns) and not a.attisdropped;
  return format($q$
    select jsonb_object_agg(
      hashtextextended($1 || ' ' || case when cardinality($2) = 1 then coalesce(j ->> $2[1], '')
        else fraiseql.composite_key(j, $2) end, 0),
      hashtextextended(case when $3 is null then j else fraiseql.without(j, $3) end::text, 0))
    from (
      select fraiseql.clean_json(%s) as j
      from %s t where exists (select from (%s) r where %s)
    ) i $q$, fraiseql.row_json_code(relation_), relation_, rows_, same);
end $$;

-- The rows' hashes of these keys' events in this transaction, where the writer left them to be made
-- when they are needed.
create or replace function fraiseql.fill_hashes(keys bigint[])
returns void language sql as $$
  update fraiseql.change_log l set
    old_hash = case l.event_type when 'Created' then null
      else coalesce(l.old_hash, hashtextextended(
        case l.event_type when 'Deleted' then l.data else fraiseql.old_data(l.data, l.changes) end, 0))
      end,
    new_hash = case l.event_type when 'Deleted' then null
      else coalesce(l.new_hash, hashtextextended(l.data, 0)) end
  where l.xid = pg_current_xact_id() and l.key_hash = any (keys)
    and (l.old_hash is null and l.event_type <> 'Created'
      or l.new_hash is null and l.event_type <> 'Deleted')
$$;

-- Puts the events of a key in this transaction in the order in which their values follow each other
-- and end with the present row. Triggers do not fire in that order: what a row trigger writes is
-- captured before the statement that fired it, and the parts of MERGE and WITH come by kind. The
-- positions and times, and so the ids, stay those that were drawn, and are dealt out again.
create or replace function fraiseql.put_in_order(keys bigint[], present jsonb)
returns void language plpgsql as $$
declare
  key bigint;
  positions bigint[]; times timestamptz[];
  olds text[]; news text[];
  used boolean[];
  way integer[]; at_stack text[]; edge_stack integer[];
  next integer;
begin
  perform fraiseql.fill_hashes(keys);
  -- Taken back below where they are not in order.
  perform fraiseql.note_tails(keys, present);
  -- Most are in order, and are found to be so at once.
  keys := array(
    select distinct e.key_hash from (
      select l.key_hash, l.old_hash, l.new_hash, lag(l.new_hash) over each_key as before,
        row_number() over each_key as place, lead(1) over each_key is null as is_last
      from fraiseql.change_log l
      where l.xid = pg_current_xact_id() and l.key_hash = any (keys)
      window each_key as (partition by l.key_hash order by l.position)
    ) e
    where e.place > 1 and e.old_hash is distinct from e.before
      or e.is_last and coalesce(e.new_hash::text, '') <> coalesce(present ->> e.key_hash::text, ''));
  foreach key in array keys loop
    select array_agg(l.position order by l.position), array_agg(l.recorded_at order by l.position),
      array_agg(coalesce(l.old_hash::text, '') order by l.position),
      array_agg(coalesce(l.new_hash::text, '') order by l.position)
    into positions, times, olds, news
    from fraiseql.change_log l where l.xid = pg_current_xact_id() and l.key_hash = key;

    -- Each event leads from a row's value to its next, so the order is a way that takes each once
    -- (Hierholzer's algorithm), looked for from its end.
    used := array_fill(false, array[cardinality(positions)]);
    way := '{}';
    at_stack := array[coalesce(present ->> key::text, '')];
    edge_stack := array[0];
    while cardinality(at_stack) > 0 loop
      select max(n) into next from generate_subscripts(positions, 1) n
      where not used[n] and news[n] = at_stack[cardinality(at_stack)];
      if next is not null then
        used[next] := true;
        at_stack := at_stack || olds[next];
        edge_stack := edge_stack || next;
      else
        next := edge_stack[cardinality(edge_stack)];
        if next > 0 then way := way || next; end if;
        at_stack := at_stack[:cardinality(at_stack) - 1];
        edge_stack := edge_stack[:cardinality(edge_stack) - 1];
      end if;
    end loop;
    -- There is none where an event is yet to come, of the statement that this one is part of.
    if cardinality(way) < cardinality(positions)
      or news[way[cardinality(way)]] <> coalesce(present ->> key::text, '')
      or exists (select from generate_series(2, cardinality(way)) n
        where olds[way[n]] <> news[way[n - 1]])
    then
      perform set_config(fraiseql.tail(key), '', true);
      continue;
    end if;
    update fraiseql.change_log l
    set position = positions[w.rank], recorded_at = times[w.rank]
    from unnest(way) with ordinality as w(place, rank)
    where l.xid = pg_current_xact_id() and l.key_hash = key
      and l.position = positions[w.place] and w.place <> w.rank;
  end loop;
end $$;

-- SQL that gives a transition table's rows with their virtual columns, in the root's order. What these are made of can only
-- be of PostgreSQL's own types and functions.
create or replace function fraiseql.computed_rows(relation_ regclass, rows_ text)
returns text language sql stable as $$
  select format('select coalesce(array_agg(row_to_json(r.*)), ''{}'') from (select %s from %s n) r',
    string_agg(case when a.attgenerated = 'v'
      then format('(%s) as %I', pg_get_expr(d.adbin, d.adrelid), a.attname)
      else format('n.%I', a.attname) end, ', ' order by c.place), rows_)
  from pg_attribute a
  join fraiseql.columns_of(relation_, coalesce((
    select m.root::oid from fraiseql.captured_relations m where m.relation = relation_), relation_)) c
    on c.number = a.attnum
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = relation_ and a.attnum > 0 and not a.attisdropped
$$;

-- One event for all rows of the table: `*`. Where it is a part of what is captured, `data` names it.
create or replace function fraiseql.capture_truncated(capture fraiseql.capturing, relation_ regclass)
returns void language sql as $$
  insert into fraiseql.change_log (slot, position, xid, key_hash, event_type, entity_type, entity_id,
    recorded_at, data, user_id, org_id, traceparent)
  select capture.slot, t.position, pg_current_xact_id(),
    hashtextextended(capture.entity_type || ' *', 0),
    'Deleted', capture.entity_type, '*', t.at, case when m.root = m.relation then '{}'
      else json_build_object('$partition', m.relation::text)::text end,
    capture.user_id, capture.org_id, capture.traceparent
  from (
    select nextval('fraiseql.change_log_position') as position, clock_timestamp() as at offset 0
  ) t, fraiseql.captured_relations m where m.relation = relation_
$$;
