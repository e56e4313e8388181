-- The columns of tables, with the type that a domain stands for.
SELECT
  a.attrelid,
  a.attnum,
  a.attname::text,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  bn.nspname::text,
  b.typname::text,
  b.typtype::text,
  base.modifier,
  a.atttypid,
  a.attnotnull OR base.not_null,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid),
  a.attgenerated <> '',
  a.attidentity::text,
  CASE WHEN co.oid IS NOT NULL THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) END,
  NOT coalesce(co.collisdeterministic, true)
FROM pg_catalog.pg_attribute AS a
CROSS JOIN LATERAL (
  WITH RECURSIVE step (oid, modifier, not_null, depth) AS (
    SELECT a.atttypid, a.atttypmod, false, 0
    UNION ALL
    SELECT t.typbasetype, t.typtypmod, s.not_null OR t.typnotnull, s.depth + 1
    FROM step AS s JOIN pg_catalog.pg_type AS t ON t.oid = s.oid AND t.typtype = 'd'
  )
  SELECT oid, modifier, not_null FROM step ORDER BY depth DESC LIMIT 1
) AS base
JOIN pg_catalog.pg_type AS b ON b.oid = base.oid
JOIN pg_catalog.pg_namespace AS bn ON bn.oid = b.typnamespace
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace AS cn ON cn.oid = co.collnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
