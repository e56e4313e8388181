-- Makes records due that wait for a row, a bounded number of them; tells whose they are.
UPDATE "DataSync_dss_exceptions" SET due_at = ?2
WHERE id IN (
  SELECT id FROM "DataSync_dss_exceptions"
  WHERE waits_for = ?1 AND due_at > ?2 ORDER BY due_at LIMIT ?3
)
RETURNING table_name, key, kind
