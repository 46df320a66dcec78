/** Locks of sessions: who holds one is at work, and PostgreSQL gives it back when the session ends. */

/** `fraiseql` in ASCII: held by the one publisher that works. */
export const publisherLock = 7382069844749152620n;

/** `fqbf` in ASCII, and the table: held by its back-fill. */
const backfillSpace = 1_718_706_790;

/** SQL that takes the lock of a table's back-fill where it is free; `oid` is SQL too. */
export const tryBackfillLock = (oid: string): string =>
  // The second number is signed, and oids are not.
  `pg_catalog.pg_try_advisory_lock(${backfillSpace}, (${oid}::pg_catalog.int8
    - case when ${oid}::pg_catalog.int8 > 2147483647 then 4294967296 else 0 end)::pg_catalog.int4)`;

/** SQL that tells whether somebody back-fills the table. */
export const isBackfilling = (oid: string): string => isHeld(String(backfillSpace), oid, 2);

/** SQL that tells whether a publisher of this database works. */
export const isPublishing: string = isHeld(
  String(publisherLock >> 32n),
  String(publisherLock & 0xffff_ffffn),
  1,
);

function isHeld(classid: string, objid: string, objsubid: number): string {
  return `exists (
    select from pg_catalog.pg_locks k
    where k.locktype = 'advisory' and k.granted and k.classid = ${classid} and k.objid = ${objid}
      and k.objsubid = ${objsubid} and k.database = (
        select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()))`;
}
