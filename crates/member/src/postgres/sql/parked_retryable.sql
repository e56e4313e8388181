SELECT parked_at, table_name, key, key_text, vv, generation::int8, partition::int8, log_offset, kind, code, message,
  attempts::int8, first_at, last_at, due_at, payload
FROM "DataSync".dss_exceptions WHERE parked_at = 'apply' AND due_at <= $2 ORDER BY due_at, id LIMIT $1
