-- Whether our schema is there and nothing is left in it.
SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = n.oid)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type AS t WHERE t.typnamespace = n.oid)
FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'DataSync'
