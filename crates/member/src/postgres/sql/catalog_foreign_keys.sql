-- The foreign keys from and to tables. Those that the server derives for partitions are left out.
SELECT
  k.conname::text,
  k.conrelid,
  n.nspname::text,
  c.relname::text,
  k.confrelid,
  fn.nspname::text,
  f.relname::text,
  ARRAY(
    SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place
  ),
  ARRAY(
    SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place
  ),
  k.confdeltype::text,
  k.confupdtype IN ('c', 'n', 'd'),
  k.condeferred
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0
AND (k.conrelid = ANY ($1::oid[]) OR k.confrelid = ANY ($1::oid[]))
ORDER BY k.conrelid, k.conname
