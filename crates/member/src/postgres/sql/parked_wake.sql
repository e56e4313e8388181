-- Makes records due that wait for one of these rows, a bounded number of them; tells whose they are.
UPDATE "DataSync".dss_exceptions SET due_at = $2
WHERE id IN (
  SELECT id FROM "DataSync".dss_exceptions
  WHERE sha256(waits_for) = ANY (ARRAY(SELECT sha256(t) FROM unnest($1::bytea[]) AS t)) AND waits_for IS NOT NULL
  AND due_at > $2 ORDER BY due_at LIMIT $3
)
RETURNING table_name, key, kind
