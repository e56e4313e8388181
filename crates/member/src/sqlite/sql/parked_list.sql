SELECT parked_at, table_name, key, key_text, vv, generation, partition, log_offset, kind, code, message, attempts,
  first_at, last_at, due_at, payload, id
FROM "DataSync_dss_exceptions" WHERE id > ?2 AND (?3 IS NULL OR table_name = ?3) ORDER BY id LIMIT ?1
