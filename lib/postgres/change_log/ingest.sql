-- Events of other producers on their way from FRAISEQL_INGEST into the log. How far that stream is copied
-- stands beside what was copied and changes with it, so that nothing is written twice or left out,
-- whoever is killed.

do $$
begin
  if to_regclass('fraiseql.ingest_progress') is null then
    create table fraiseql.ingest_progress (
      one boolean primary key default true check (one),
      -- The last message that was taken. A stream that is made anew has another time of its making; one
      -- that lost its end gives the numbers again, to messages of a later time.
      stream_created text not null default '',
      sequence bigint not null default 0,
      message_ms bigint not null default 0,
      -- Events: written, dropped as repeats, parked.
      taken bigint not null default 0,
      repeated bigint not null default 0,
      refused bigint not null default 0,
      -- By how much an event's own time was ever ahead of the clock; see verify.
      ahead interval not null default '0',
      -- Null while it works.
      waits_for text
    );
    insert into fraiseql.ingest_progress default values;
    -- Ids of the last days: one that comes again is dropped.
    create table fraiseql.ingest_ids (event_id uuid primary key, taken_at timestamptz not null);
    create index on fraiseql.ingest_ids (taken_at);
  end if;
end $$;

-- Writes events behind the place `from_...`, and `to_...` as the new place; without any where `to_created`
-- is null (a replay). Arrays have one element for each event, in their order, no id twice. An id that was
-- taken within `keep_ids` is dropped, within all that is remembered where that is null. Gives how it
-- went, and the number of events written:
-- taken; full: nothing was done, since the log has no room; moved: nor then, since the place is another.
create or replace function fraiseql.ingest(
  from_created text, from_sequence bigint, from_ms bigint,
  to_created text, to_sequence bigint, to_ms bigint,
  keep_ids interval, repeated_before bigint, refused_ bigint,
  ids uuid[], event_types text[], entity_types text[], entity_ids text[], times timestamptz[],
  data_ text[], changes_ text[], user_ids text[], org_ids text[], traceparents text[], cuts smallint[])
returns table (outcome text, written bigint) language plpgsql
set search_path = pg_catalog, pg_temp
-- It knows nothing of how many events come.
set enable_nestloop = 'off' set jit = 'off' as $$
declare
  settings fraiseql.capture_settings;
  at timestamptz := clock_timestamp();
  latest timestamptz;
begin
  select * into settings from fraiseql.capture_settings;
  -- A quarter is left to captured writes: those cannot wait in a stream.
  if (select f.last_value from fraiseql.change_log_full f) = 2
    or fraiseql.change_log_bytes() >= settings.log_bytes_max / 4 * 3 then
    return query select 'full', 0::bigint;
    return;
  end if;
  perform from fraiseql.ingest_progress p
  where to_created is null
    or (p.stream_created, p.sequence, p.message_ms) = (from_created, from_sequence, from_ms)
  for update;
  if not found then
    return query select 'moved', 0::bigint;
    return;
  end if;
  with fresh as (
    insert into fraiseql.ingest_ids as k (event_id, taken_at) select id, at from unnest(ids) id
    on conflict (event_id) do update set taken_at = excluded.taken_at where k.taken_at < at - keep_ids
    returning event_id
  ), logged as (
    insert into fraiseql.change_log (slot, position, xid, key_hash, event_id, event_type, entity_type,
      entity_id, recorded_at, data, changes, user_id, org_id, traceparent, cut, origin)
    select settings.current_slot, nextval('fraiseql.change_log_position'), pg_current_xact_id(),
      hashtextextended(e.entity_type || ' ' || e.entity_id, 0), e.event_id, e.event_type, e.entity_type,
      e.entity_id, e.recorded_at, e.data, e.changes, e.user_id, e.org_id, e.traceparent, e.cut, 'ingest'
    from (
      select u.* from unnest(ids, event_types, entity_types, entity_ids, times, data_, changes_,
        user_ids, org_ids, traceparents, cuts) with ordinality as u (event_id, event_type, entity_type,
        entity_id, recorded_at, data, changes, user_id, org_id, traceparent, cut, place)
      join fresh f on f.event_id = u.event_id
      -- Positions are drawn in this order.
      order by u.place offset 0
    ) e
    returning recorded_at)
  select count(*), max(recorded_at) into written, latest from logged;
  update fraiseql.ingest_progress p set
    stream_created = coalesce(to_created, p.stream_created),
    sequence = case when to_created is null then p.sequence else to_sequence end,
    message_ms = case when to_created is null then p.message_ms else to_ms end,
    taken = p.taken + written,
    repeated = p.repeated + repeated_before + cardinality(ids) - written,
    refused = p.refused + refused_,
    ahead = greatest(p.ahead, latest - at),
    waits_for = null;
  if written > 0 and (select r.last_value from fraiseql.reader_asleep r) = 2 then
    perform fraiseql.wake_reader();
  end if;
  outcome := 'taken';
  return next;
end $$;

-- Forgets ids that were taken longer ago, some at a time; gives how many.
create or replace function fraiseql.forget_ingest_ids(keep_ids interval, rows_max integer)
returns bigint language sql
set search_path = pg_catalog, pg_temp as $$
  with gone as (
    delete from fraiseql.ingest_ids where event_id = any (array(
      select i.event_id from fraiseql.ingest_ids i where i.taken_at < clock_timestamp() - keep_ids
      order by i.taken_at limit rows_max))
    returning 1)
  select count(*) from gone
$$;
