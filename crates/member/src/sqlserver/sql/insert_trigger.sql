-- A user's insert becomes a local change. Silent for the cells that apply is writing, and for those only.
CREATE TRIGGER {trigger} ON {base} AFTER INSERT AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET {set_local}
    [is_tombstone] = 0
  FROM {tracking} AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON {t_is_i}
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO {tracking} ({tracking_key}, {local_columns})
  SELECT {i_key}, {local_values}, 0, ''
  FROM inserted AS i
  WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (READCOMMITTEDLOCK) WHERE {t_is_i});
END
