SELECT parked_at, table_name, key, key_text, vv, generation::int8, partition::int8, log_offset, kind, code, message,
  attempts::int8, first_at, last_at, due_at, payload, id
FROM "DataSync".dss_exceptions
WHERE parked_at = 'apply' AND due_at > $2 AND due_at <= $3 AND table_name = ANY ($4::text[])
ORDER BY due_at, id LIMIT $1
