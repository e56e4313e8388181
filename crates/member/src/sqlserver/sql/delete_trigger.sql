-- A user's delete becomes a local change. Another row may have taken the key already, in a trigger of the user's.
CREATE TRIGGER {trigger} ON {base} AFTER DELETE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM deleted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET {set_local}
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM {base} AS b WHERE {b_is_d}) THEN 0 ELSE 1 END
  FROM {tracking} AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON {t_is_d}
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO {tracking} ({tracking_key}, {local_columns})
  SELECT {d_key}, {local_values},
    CASE WHEN EXISTS (SELECT 1 FROM {base} AS b WHERE {b_is_d}) THEN 0 ELSE 1 END, {first_seen}
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (READCOMMITTEDLOCK) WHERE {t_is_d});
END
