-- Schema fraiseql: the change log and what stands around it. Run once, in one transaction, by
-- `fraiseql migrate`; functions.sql is run each time. PostgreSQL 13 and later.

create schema fraiseql;
comment on schema fraiseql is 'Change capture of FraiseQL; removed by: fraiseql migrate --down';

-- One row. Writers read it with each statement, so it is not written in the way of business.
create table fraiseql.capture_settings (
  one boolean primary key default true check (one),
  version integer not null,
  -- The slot that writers append to; see change_log.
  current_slot smallint not null default 0,
  slot_since timestamptz not null default clock_timestamp(),
  -- Stand in each event's id, so that two databases make different ids.
  database_bits integer not null default floor(random() * 16384)::integer,
  log_bytes_max bigint not null,
  refuse_writes boolean not null,
  event_bytes_max integer not null,
  truncate_rows_max bigint not null
);

-- Drawn while the changed row's lock is held, so that positions order the writes of a row. A cache
-- would hand sessions ranges of their own and lose that.
create sequence fraiseql.change_log_position as bigint cache 1;

-- Two flags that take effect at once, whatever transaction sets them: 1 no, 2 yes. Sequences are the
-- only values in PostgreSQL that are so.
create sequence fraiseql.reader_asleep minvalue 1 maxvalue 2 cache 1;
create sequence fraiseql.change_log_full minvalue 1 maxvalue 2 cache 1;

-- The slot that writers append to, as `current_slot` of the settings: it takes a tenth of the time to
-- read, and a small write notices.
create sequence fraiseql.writers_slot minvalue 0 maxvalue 15 cache 1;
select setval('fraiseql.writers_slot', 0);

-- A ring: `current_slot` moves to a slot that is empty, and a slot is emptied by TRUNCATE. Slots are
-- neither made nor dropped while writers run, since that locks the whole table.
create table fraiseql.change_log (
  slot smallint not null,
  position bigint not null,
  -- The writer's transaction: readers go by what is visible in a snapshot, see "read" in functions.sql.
  xid xid8 not null,
  -- Of entity type and id together; indexed in their place, since a key may be longer than an
  -- index can hold.
  key_hash bigint not null,
  -- Of the row before and after; null where there is none, and where they can still be made of `data`
  -- and `changes`; see fill_hashes(). They tell which write followed which.
  old_hash bigint,
  new_hash bigint,
  -- Null for a captured write: it is made of the time and the position; see id_of().
  event_id uuid,
  event_type text not null,
  entity_type text not null,
  entity_id text not null,
  recorded_at timestamptz not null,
  data text not null,
  changes text,
  user_id text,
  org_id text,
  traceparent text,
  -- What the limit on an event's line took away: 0 nothing, 1 changes, 2 all but the key.
  cut smallint not null default 0,
  -- Null for a captured write, else where the event came from.
  origin text
) partition by list (slot);

create index on fraiseql.change_log (xid, key_hash);

do $$
begin
  for slot in 0..15 loop
    execute format(
      'create table fraiseql.change_log_%s partition of fraiseql.change_log for values in (%s)',
      slot, slot);
  end loop;
end $$;

-- What has left the log, for `verify`: by entity type and hour (UTC) of `recorded_at`.
create table fraiseql.change_digest (
  entity_type text not null,
  hour timestamptz not null,
  event_count bigint not null,
  -- The sum of event hashes modulo 2^64; see event_hash().
  event_hash numeric(20) not null,
  emptied_at timestamptz not null default clock_timestamp()
);
create index on fraiseql.change_digest (hour);

-- Columns are known by number, so that they can be renamed. Names are for a restored dump, in which
-- numbers can differ: there relation and relation_oid differ too.
create table fraiseql.captured_tables (
  relation regclass primary key,
  relation_oid oid not null,
  entity_type text not null unique,
  key_names text[] not null,
  key_numbers smallint[] not null,
  -- No two rows could have the same key, at any time, when it was captured.
  key_is_unique boolean not null,
  -- `only`: these columns and the key; `except`: all but these and those named like a secret.
  listed text not null check (listed in ('only', 'except')),
  column_names text[] not null,
  column_numbers smallint[] not null,
  user_name text,
  user_number smallint,
  org_name text,
  org_number smallint,
  timestamp_name text,
  timestamp_number smallint,
  captured_since timestamptz not null default clock_timestamp()
);

-- The table itself, its partitions and what inherits from it: whatever has triggers.
create table fraiseql.captured_relations (
  relation regclass primary key,
  root regclass not null references fraiseql.captured_tables on delete cascade,
  -- Names its trigger functions; an oid would be another in a restored dump.
  number integer generated always as identity,
  -- What describe() found, so that a write needs not look again while the columns are the same;
  -- see fingerprint().
  columns_fingerprint numeric,
  entity_type text,
  key_is_unique boolean,
  key_columns text[],
  left_out text[],
  is_computed boolean,
  is_plain boolean,
  user_column text,
  org_column text
);

-- Writes that are not in the log. A writer that leaves one out makes the row in its own transaction,
-- unless it sees an open one.
create table fraiseql.change_gaps (
  entity_type text,
  reason text not null,
  began_at timestamptz not null default clock_timestamp(),
  began_position bigint not null,
  ended_at timestamptz,
  ended_position bigint,
  -- Writers in progress in it may have left out something yet.
  ended_snapshot pg_snapshot
);
create index on fraiseql.change_gaps (reason) where ended_at is null;

-- What the publisher has brought into FRAISEQL_EVENTS: one row, beside the record in NATS, which
-- can lose its end together with the stream.
create table fraiseql.publisher_progress (
  one boolean primary key default true check (one),
  -- In a restored dump they are another's.
  system_identifier text not null,
  database_oid bigint not null,
  stream_created text not null,
  sequence bigint not null,
  epoch integer not null,
  -- What is visible in it may have left the log.
  emptied pg_snapshot
);

-- What has left FRAISEQL_EVENTS on purpose, for `verify`: by the stream's time of making and the
-- sequence up to which it was purged, and by entity type and hour of the events' time.
create table fraiseql.purged_events (
  stream_created text not null,
  sequence bigint not null,
  entity_type text not null,
  -- 2026-01-01T00, in UTC.
  hour text not null,
  event_count bigint not null,
  -- As in change_digest.
  event_hash numeric(20) not null
);
create index on fraiseql.purged_events (stream_created, sequence);
