INSERT INTO "DataSync_dss_exceptions"
  (parked_at, table_name, key, key_text, vv, generation, partition, log_offset, kind, code, message, attempts,
   first_at, last_at, due_at, waits_for, payload)
VALUES ('apply', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
ON CONFLICT (parked_at, table_name, coalesce(key, key_text)) DO UPDATE SET
  vv = excluded.vv,
  generation = excluded.generation,
  partition = excluded.partition,
  log_offset = excluded.log_offset,
  kind = excluded.kind,
  code = excluded.code,
  message = excluded.message,
  attempts = excluded.attempts,
  first_at = excluded.first_at,
  last_at = excluded.last_at,
  due_at = excluded.due_at,
  waits_for = excluded.waits_for,
  payload = excluded.payload
