-- The triggers that call functions of ours: name and table, quoted.
SELECT quote_ident(t.tgname), quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE pn.nspname = 'DataSync' AND p.proname LIKE '%\_dss\_capture' AND NOT t.tgisinternal
ORDER BY n.nspname, c.relname, t.tgname
