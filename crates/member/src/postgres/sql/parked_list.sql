SELECT parked_at, table_name, key, key_text, vv, generation::int8, partition::int8, log_offset, kind, code, message,
  attempts::int8, first_at, last_at, due_at, payload, id
FROM "DataSync".dss_exceptions WHERE id > $2 AND ($3::text IS NULL OR table_name = $3) ORDER BY id LIMIT $1
