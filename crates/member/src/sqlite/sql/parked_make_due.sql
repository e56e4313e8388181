-- The next ones behind a number, so that no transaction holds a flood of them. (With a plus the number's order is the only
-- way to find them.)
UPDATE "DataSync_dss_exceptions" SET due_at = 0
WHERE id IN (
  SELECT id FROM "DataSync_dss_exceptions"
  WHERE id > ?2 AND +parked_at = 'apply' AND (?1 IS NULL OR table_name = ?1) ORDER BY id LIMIT ?3
)
RETURNING id
