-- A row without a complete key cannot be synchronised: it is listed for as long as there is one.
CREATE TRIGGER {trigger} AFTER {event} ON {base}
WHEN {new_key_is_null}
BEGIN
  INSERT INTO "DataSync_dss_exceptions" (parked_at, table_name, key_text, kind, code, message, first_at, last_at, due_at)
  VALUES (
    'capture', {table_name}, {key_text}, 'value', '', {message},
    CAST(strftime('%s', 'now') AS INTEGER) * 10000000,
    CAST(strftime('%s', 'now') AS INTEGER) * 10000000,
    9223372036854775807
  )
  ON CONFLICT (parked_at, table_name, coalesce(key, key_text))
  DO UPDATE SET last_at = excluded.last_at, attempts = attempts + 1;
END
