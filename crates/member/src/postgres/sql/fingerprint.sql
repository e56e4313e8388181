-- Changes with every change of the named tables' columns, keys and triggers, and of our own objects: each row of the
-- catalog carries the transaction that wrote it last.
WITH ours AS MATERIALIZED (
  SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'DataSync'
), bound AS MATERIALIZED (
  SELECT c.oid, c.xmin::text AS written
  FROM unnest($1::text[], $2::text[]) AS w (schema_name, table_name)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema_name::name
  JOIN pg_catalog.pg_class AS c ON c.relname = w.table_name::name AND c.relnamespace = n.oid
)
SELECT
  md5(coalesce((SELECT string_agg(x.line, ',' ORDER BY x.line) FROM (
    SELECT 'b' || b.oid || ' ' || b.written FROM bound AS b
    UNION ALL
    SELECT 'c' || c.oid || ' ' || c.xmin FROM pg_catalog.pg_class AS c WHERE c.relnamespace = (SELECT oid FROM ours)
    UNION ALL
    SELECT 'p' || p.oid || ' ' || p.xmin FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = (SELECT oid FROM ours)
    UNION ALL
    SELECT 'a' || a.attrelid || ' ' || a.attnum || ' ' || a.xmin FROM bound AS b
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = b.oid AND a.attnum > 0
    UNION ALL
    SELECT 't' || t.oid || ' ' || t.xmin FROM bound AS b
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = b.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 'i' || i.indexrelid || ' ' || i.xmin FROM bound AS b
    JOIN pg_catalog.pg_index AS i ON i.indrelid = b.oid
    UNION ALL
    SELECT 'f' || k.oid || ' ' || k.xmin FROM bound AS b
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = b.oid
  ) AS x (line)), '')),
  EXISTS (
    SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relname = 'dss_tables' AND c.relnamespace = (SELECT oid FROM ours)
  )
