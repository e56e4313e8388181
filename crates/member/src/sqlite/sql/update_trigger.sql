-- A user's update that changes a synchronised column becomes a local change of the row's (new) key.
CREATE TRIGGER {trigger} AFTER UPDATE ON {base}
WHEN ({changed})
AND (
  (SELECT batch FROM "DataSync_dss_apply" WHERE id = 1) IS NULL
  OR NOT EXISTS (
    SELECT 1 FROM {tracking} AS t
    WHERE {t_key_is_new} AND t.apply_batch = (SELECT batch FROM "DataSync_dss_apply" WHERE id = 1)
  )
){and_new_key_is_set}
BEGIN
  UPDATE "DataSync_dss_counter" SET version = version + 1 WHERE id = 1;
  INSERT INTO {tracking} ({key}, local_version, local_incarnation, changed_at, inside_apply, is_tombstone{seen_column})
  VALUES (
    {new_key},
    (SELECT version FROM "DataSync_dss_counter" WHERE id = 1),
    {incarnation},
    strftime('%Y-%m-%d %H:%M:%f', 'now'),
    (SELECT 1 FROM "DataSync_dss_apply" WHERE id = 1),
    0{first_seen}
  )
  ON CONFLICT ({key}) DO UPDATE SET {set_local};
END
