-- The listing of rows without a complete key ends with the last of them.
CREATE TRIGGER {trigger} AFTER {event} ON {base}
WHEN {old_key_is_null}
BEGIN
  DELETE FROM "DataSync_dss_exceptions"
  WHERE parked_at = 'capture' AND table_name = {table_name} AND coalesce(key, key_text) = {key_text}
  AND NOT EXISTS (SELECT 1 FROM {base} AS b WHERE {b_key_is_null});
END
