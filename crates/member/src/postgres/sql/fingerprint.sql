-- Changes with every change of the named tables' columns and triggers, and of our own objects: each row of the catalog
-- carries the transaction that wrote it last.
SELECT
  md5(coalesce(string_agg(x.line, ',' ORDER BY x.line), '')),
  to_regclass('"DataSync".dss_tables') IS NOT NULL
FROM (
  SELECT c.oid, n.nspname FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND ((n.nspname::text, c.relname::text) IN (SELECT * FROM unnest($1::text[], $2::text[])) OR n.nspname = 'DataSync')
) AS r
CROSS JOIN LATERAL (
  SELECT 'c' || c.oid || ' ' || c.xmin FROM pg_catalog.pg_class AS c WHERE c.oid = r.oid
  UNION ALL
  SELECT 'a' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = r.oid AND a.attnum > 0 AND r.nspname <> 'DataSync'
  UNION ALL
  SELECT 't' || t.oid || ' ' || t.xmin FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid = r.oid AND NOT t.tgisinternal
  UNION ALL
  SELECT 'i' || i.indexrelid || ' ' || i.xmin FROM pg_catalog.pg_index AS i WHERE i.indrelid = r.oid
  UNION ALL
  SELECT 'f' || k.oid || ' ' || k.xmin FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = r.oid OR k.confrelid = r.oid
  UNION ALL
  SELECT 'p' || p.oid || ' ' || p.xmin FROM pg_catalog.pg_proc AS p
  WHERE r.nspname = 'DataSync' AND p.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'DataSync')
  AND r.oid = (SELECT min(oid) FROM pg_catalog.pg_class WHERE relnamespace = p.pronamespace AND relkind = 'r')
) AS x (line)
