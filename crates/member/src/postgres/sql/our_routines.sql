-- The functions of our schema: name, body, and whether it runs as its owner.
SELECT
  p.proname::text,
  p.prosrc,
  p.prosecdef
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'DataSync'
