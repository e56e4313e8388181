-- The functions of our schema: name, body, and whether it runs as its owner with a search path of its own.
SELECT
  p.proname::text,
  p.prosrc,
  p.prosecdef AND coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp', 'row_security=off']
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'DataSync'
