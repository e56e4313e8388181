-- Lists a row that cannot be published. Nothing is tried again by itself: it is published when it is changed.
INSERT INTO "DataSync".dss_exceptions
  (parked_at, table_name, key, key_text, kind, code, message, first_at, last_at, due_at)
VALUES ('capture', $1, $2, $3, $4, '', $5, $6, $6, 9223372036854775807)
ON CONFLICT (parked_at, table_name, sha256(coalesce(key, decode(md5(key_text), 'hex')))) DO UPDATE SET
  key_text = excluded.key_text,
  kind = excluded.kind,
  message = excluded.message,
  attempts = dss_exceptions.attempts + 1,
  last_at = excluded.last_at
