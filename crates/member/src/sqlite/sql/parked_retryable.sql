SELECT parked_at, table_name, key, key_text, vv, generation, partition, log_offset, kind, code, message, attempts,
  first_at, last_at, due_at, payload, id
FROM "DataSync_dss_exceptions"
WHERE parked_at = 'apply' AND due_at > ?2 AND due_at <= ?3 AND +table_name IN (SELECT value FROM json_each(?4))
ORDER BY due_at, id LIMIT ?1
