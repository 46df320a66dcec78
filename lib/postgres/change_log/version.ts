/** Raised with each change of tables.sql, together with a step in migrate.ts that brings older ones there. */
export const changeLogVersion = 5;
