-- Parks records, each in place of one of its cell that is parked already.
INSERT INTO "DataSync".dss_exceptions
  (parked_at, table_name, key, key_text, vv, generation, partition, log_offset, kind, code, message, attempts,
   first_at, last_at, due_at, waits_for, payload)
SELECT 'apply', u.*
FROM unnest(
  $1::text[], $2::bytea[], $3::text[], $4::text[], $5::int8[], $6::int8[], $7::int8[], $8::text[], $9::text[],
  $10::text[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::bytea[], $16::bytea[]
) AS u
ON CONFLICT (parked_at, table_name, sha256(coalesce(key, decode(md5(key_text), 'hex')))) DO UPDATE SET
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
