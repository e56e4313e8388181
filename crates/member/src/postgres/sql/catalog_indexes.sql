-- The valid indexes of tables. An expression has no column's name.
SELECT
  i.indrelid,
  c.relname::text,
  i.indisunique,
  i.indisprimary,
  i.indpred IS NOT NULL,
  i.indimmediate,
  coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
  ARRAY(
    SELECT a.attname::text
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number AND k.number <> 0
    WHERE k.place <= i.indnkeyatts
    ORDER BY k.place
  )
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid
ORDER BY i.indrelid, c.relname
