-- A user's update that changes a synchronised column becomes a local change; an update of the key deletes the old keys
-- that no row of the statement has now. Silent for the cells that apply is writing, and for those only.
CREATE TRIGGER {trigger} ON {base} AFTER UPDATE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();
{hidden}
  UPDATE t
  SET {set_local}
    [is_tombstone] = 0
  FROM {tracking} AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON {t_is_i}
  LEFT JOIN deleted AS d ON {i_is_d}
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND {changed};

  INSERT INTO {tracking} ({tracking_key}, {local_columns})
  SELECT {i_key}, {local_values}, 0, {first_seen}
  FROM inserted AS i
  LEFT JOIN deleted AS d ON {i_is_d}
  WHERE {changed}
  AND NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (READCOMMITTEDLOCK) WHERE {t_is_i});

  IF NOT ({key_updated}) RETURN;

  UPDATE t
  SET {set_local}
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM {base} AS b WHERE {b_is_d}) THEN 0 ELSE 1 END
  FROM {tracking} AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON {t_is_d}
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND NOT EXISTS (SELECT 1 FROM inserted AS i WHERE {i_is_d});

  INSERT INTO {tracking} ({tracking_key}, {local_columns})
  SELECT {d_key}, {local_values},
    CASE WHEN EXISTS (SELECT 1 FROM {base} AS b WHERE {b_is_d}) THEN 0 ELSE 1 END, {first_seen}
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM inserted AS i WHERE {i_is_d})
  AND NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (READCOMMITTEDLOCK) WHERE {t_is_d});
END
