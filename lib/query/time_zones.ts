/** Which names of time zones are taken: those that mean one zone, to Deno and to PostgreSQL alike. */

/**
 * Whether it is a full name like `Europe/Paris`, in any case, or UTC or GMT. Abbreviations are none:
 * of many there are several zones, PostgreSQL takes another than Deno does, most without its summer
 * time; and of offsets PostgreSQL reads the sign the other way round.
 */
export function isTimeZone(name: string): boolean {
  if (/^(?:UTC|GMT)$/i.test(name)) return true;
  return fullName.test(name) && !neverZones.test(name) && canonicalName(name) !== null;
}

/** What to write in place of a name that is refused. */
export function zoneHint(name: string): string {
  const meant = /^[A-Za-z]/.test(name) ? canonicalName(name) : null;
  const example = meant !== null && isTimeZone(meant) ? meant : "Europe/Paris";
  return `give a full name like "${example}"; abbreviations and offsets mean several zones`;
}

const fullName = /^[A-Za-z][A-Za-z_-]*\/[A-Za-z]/;

/** What Deno has kept of names that the time zone database, and so PostgreSQL, no longer has. */
const neverZones = /^(?:SystemV\/.*|US\/Pacific-New|Canada\/East-Saskatchewan)$/i;

/** Deno's name of the zone; null where it knows none. */
function canonicalName(name: string): string | null {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return null; // it says so by throwing
  }
}
