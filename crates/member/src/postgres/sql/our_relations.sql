-- The tables of our schema with their columns and keys, and the indexes with their definitions.
SELECT
  c.relkind::text,
  c.relname::text,
  ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
  ),
  ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_index AS i
    CROSS JOIN unnest(i.indkey::int2[]) AS k (number)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number
    WHERE i.indrelid = c.oid AND i.indisprimary
  ),
  CASE WHEN c.relkind = 'i' THEN pg_catalog.pg_get_indexdef(c.oid) END
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'DataSync' AND c.relkind IN ('r', 'i', 'S')
