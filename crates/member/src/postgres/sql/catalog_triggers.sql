-- The triggers of tables, without those that the server makes for foreign keys and for partitions.
SELECT
  t.tgrelid,
  t.tgname::text,
  pg_catalog.pg_get_triggerdef(t.oid),
  t.tgenabled::text,
  n.nspname::text,
  p.proname::text
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal
ORDER BY t.tgrelid, t.tgname
