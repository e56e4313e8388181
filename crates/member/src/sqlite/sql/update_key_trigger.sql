-- A user's update of the key deletes the old key; unless another row has taken it already.
CREATE TRIGGER {trigger} AFTER UPDATE ON {base}
WHEN ({key_changed})
AND (
  (SELECT batch FROM "DataSync_dss_apply" WHERE id = 1) IS NULL
  OR NOT EXISTS (
    SELECT 1 FROM {tracking} AS t
    WHERE {t_key_is_old} AND t.apply_batch = (SELECT batch FROM "DataSync_dss_apply" WHERE id = 1)
  )
){and_old_key_is_set}
BEGIN
  UPDATE "DataSync_dss_counter" SET version = version + 1 WHERE id = 1;
  INSERT INTO {tracking} ({key}, local_version, local_incarnation, changed_at, inside_apply, is_tombstone{seen_column})
  VALUES (
    {old_key},
    (SELECT version FROM "DataSync_dss_counter" WHERE id = 1),
    {incarnation},
    strftime('%Y-%m-%d %H:%M:%f', 'now'),
    (SELECT 1 FROM "DataSync_dss_apply" WHERE id = 1),
    NOT EXISTS (SELECT 1 FROM {base} AS b WHERE {b_key_is_old}){first_seen}
  )
  ON CONFLICT ({key}) DO UPDATE SET {set_local};
END
