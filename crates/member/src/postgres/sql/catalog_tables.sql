-- The users' tables and what looks like one: all of them, or those of the names $2 in the schemas $1.
SELECT
  c.oid,
  n.nspname::text,
  c.relname::text,
  c.relkind::text,
  c.relispartition,
  EXISTS (
    SELECT 1 FROM pg_catalog.pg_inherits AS i
    WHERE (i.inhrelid = c.oid AND NOT c.relispartition) OR (i.inhparent = c.oid AND c.relkind = 'r')
  ),
  c.relpersistence::text,
  c.relrowsecurity,
  c.relforcerowsecurity,
  pg_catalog.pg_get_userbyid(c.relowner)::text,
  k.oid,
  pg_catalog.pg_get_constraintdef(k.oid),
  c.relhasrules AND EXISTS (
    SELECT 1 FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid AND r.ev_type <> '1'
  )
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND n.nspname <> $3::text
AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp\_%'
AND ($1::text[] IS NULL OR (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[])))
ORDER BY n.nspname, c.relname
