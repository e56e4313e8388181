-- tracking table of [sales].[Order Details größe]
CREATE TABLE [DataSync].[sales.Order Details größe_dss_tracking] (
  [key_seen] nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [key_1_length] int NOT NULL,
  [a b "c" 'd'] varchar(10) COLLATE Cyrillic_General_BIN2 NOT NULL,
  [key_2_length] int NOT NULL,
  [at] datetimeoffset(7) NOT NULL,
  [key_3_offset] int NOT NULL,
  [local_version] bigint NULL,
  [local_incarnation] varchar(64) COLLATE Latin1_General_BIN2 NULL,
  [is_local] bit NOT NULL,
  [changed_at] datetime2(7) NULL,
  [change_kind] varchar(16) COLLATE Latin1_General_BIN2 NULL,
  [inside_apply] bit NULL,
  [is_tombstone] bit NOT NULL,
  [seen] varchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
  [apply_batch] bigint NULL,
  [row_version] rowversion NOT NULL,
  CONSTRAINT [sales.Order Details größe_dss_tracking_key] PRIMARY KEY CLUSTERED ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset])
)
GO
-- index for polling of [sales].[Order Details größe]
CREATE INDEX [sales.Order Details größe_dss_changes] ON [DataSync].[sales.Order Details größe_dss_tracking] ([is_local], [row_version], [local_version])
GO
-- insert trigger of [sales].[Order Details größe]
CREATE TRIGGER [sales].[Order Details größe_dss_insert_trigger] ON [sales].[Order Details größe] AFTER INSERT AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = 0
  FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[key_seen] = i.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(i.[seen]) AND t.[a b "c" 'd'] = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(i.[a b "c" 'd']) AND t.[at] = i.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, i.[at])
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[seen], DATALENGTH(i.[seen]), i.[a b "c" 'd'], DATALENGTH(i.[a b "c" 'd']), i.[at], DATEPART(TZOFFSET, i.[at]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[key_seen] = i.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(i.[seen]) AND t.[a b "c" 'd'] = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(i.[a b "c" 'd']) AND t.[at] = i.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, i.[at]));
END
GO
-- update trigger of [sales].[Order Details größe]
CREATE TRIGGER [sales].[Order Details größe_dss_update_trigger] ON [sales].[Order Details größe] AFTER UPDATE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = 0
  FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[key_seen] = i.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(i.[seen]) AND t.[a b "c" 'd'] = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(i.[a b "c" 'd']) AND t.[at] = i.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, i.[at])
  LEFT JOIN deleted AS d ON d.[seen] COLLATE Latin1_General_100_BIN2 = i.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[seen]) = DATALENGTH(i.[seen]) AND d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(d.[a b "c" 'd']) = DATALENGTH(i.[a b "c" 'd']) AND d.[at] = i.[at] AND DATEPART(TZOFFSET, d.[at]) = DATEPART(TZOFFSET, i.[at])
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND (d.[seen] IS NULL
    OR i.[{base}] <> d.[{base}]
    OR (i.[{base}] IS NULL AND d.[{base}] IS NOT NULL)
    OR (i.[{base}] IS NOT NULL AND d.[{base}] IS NULL));

  INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[seen], DATALENGTH(i.[seen]), i.[a b "c" 'd'], DATALENGTH(i.[a b "c" 'd']), i.[at], DATEPART(TZOFFSET, i.[at]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  LEFT JOIN deleted AS d ON d.[seen] COLLATE Latin1_General_100_BIN2 = i.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[seen]) = DATALENGTH(i.[seen]) AND d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(d.[a b "c" 'd']) = DATALENGTH(i.[a b "c" 'd']) AND d.[at] = i.[at] AND DATEPART(TZOFFSET, d.[at]) = DATEPART(TZOFFSET, i.[at])
  WHERE (d.[seen] IS NULL
    OR i.[{base}] <> d.[{base}]
    OR (i.[{base}] IS NULL AND d.[{base}] IS NOT NULL)
    OR (i.[{base}] IS NOT NULL AND d.[{base}] IS NULL))
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[key_seen] = i.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(i.[seen]) AND t.[a b "c" 'd'] = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(i.[a b "c" 'd']) AND t.[at] = i.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, i.[at]));

  IF NOT (UPDATE([seen]) OR UPDATE([a b "c" 'd']) OR UPDATE([at])) RETURN;

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = d.[seen] AND b.[seen] COLLATE Latin1_General_100_BIN2 = d.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[seen]) = DATALENGTH(d.[seen]) AND b.[a b "c" 'd'] = d.[a b "c" 'd'] AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(d.[a b "c" 'd']) AND b.[at] = d.[at] AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, d.[at])) THEN 0 ELSE 1 END
  FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[key_seen] = d.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(d.[seen]) AND t.[a b "c" 'd'] = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(d.[a b "c" 'd']) AND t.[at] = d.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, d.[at])
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[seen] COLLATE Latin1_General_100_BIN2 = i.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[seen]) = DATALENGTH(i.[seen]) AND d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(d.[a b "c" 'd']) = DATALENGTH(i.[a b "c" 'd']) AND d.[at] = i.[at] AND DATEPART(TZOFFSET, d.[at]) = DATEPART(TZOFFSET, i.[at]));

  INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[seen], DATALENGTH(d.[seen]), d.[a b "c" 'd'], DATALENGTH(d.[a b "c" 'd']), d.[at], DATEPART(TZOFFSET, d.[at]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = d.[seen] AND b.[seen] COLLATE Latin1_General_100_BIN2 = d.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[seen]) = DATALENGTH(d.[seen]) AND b.[a b "c" 'd'] = d.[a b "c" 'd'] AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(d.[a b "c" 'd']) AND b.[at] = d.[at] AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, d.[at])) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[seen] COLLATE Latin1_General_100_BIN2 = i.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[seen]) = DATALENGTH(i.[seen]) AND d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = i.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(d.[a b "c" 'd']) = DATALENGTH(i.[a b "c" 'd']) AND d.[at] = i.[at] AND DATEPART(TZOFFSET, d.[at]) = DATEPART(TZOFFSET, i.[at]))
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[key_seen] = d.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(d.[seen]) AND t.[a b "c" 'd'] = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(d.[a b "c" 'd']) AND t.[at] = d.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, d.[at]));
END
GO
-- delete trigger of [sales].[Order Details größe]
CREATE TRIGGER [sales].[Order Details größe_dss_delete_trigger] ON [sales].[Order Details größe] AFTER DELETE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM deleted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = d.[seen] AND b.[seen] COLLATE Latin1_General_100_BIN2 = d.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[seen]) = DATALENGTH(d.[seen]) AND b.[a b "c" 'd'] = d.[a b "c" 'd'] AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(d.[a b "c" 'd']) AND b.[at] = d.[at] AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, d.[at])) THEN 0 ELSE 1 END
  FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[key_seen] = d.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(d.[seen]) AND t.[a b "c" 'd'] = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(d.[a b "c" 'd']) AND t.[at] = d.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, d.[at])
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[seen], DATALENGTH(d.[seen]), d.[a b "c" 'd'], DATALENGTH(d.[a b "c" 'd']), d.[at], DATEPART(TZOFFSET, d.[at]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = d.[seen] AND b.[seen] COLLATE Latin1_General_100_BIN2 = d.[seen] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[seen]) = DATALENGTH(d.[seen]) AND b.[a b "c" 'd'] = d.[a b "c" 'd'] AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(d.[a b "c" 'd']) AND b.[at] = d.[at] AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, d.[at])) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[key_seen] = d.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(d.[seen]) AND t.[a b "c" 'd'] = d.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(d.[a b "c" 'd']) AND t.[at] = d.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, d.[at]));
END
GO
-- procedure that reads the changes of [sales].[Order Details größe]
CREATE PROCEDURE [DataSync].[sales.Order Details größe_dss_selectchanges]
  @after binary(8),
  @after_version bigint,
  @below binary(8),
  @rows int
AS
BEGIN
  SET NOCOUNT ON;
  SELECT TOP (@rows)
    CAST(t.[row_version] AS binary(8)),
    t.[local_version],
    t.[local_incarnation],
    t.[changed_at],
    t.[change_kind],
    t.[inside_apply],
    t.[seen],
    CASE WHEN b.[seen] IS NULL THEN 1 ELSE 0 END,
    CAST(t.[key_seen] AS varbinary(40)) AS [c0],
    CAST(CAST(t.[a b "c" 'd'] AS nvarchar(10)) AS varbinary(20)) AS [c1],
    t.[at] AS [c2],
    b.[{base}] AS [c3]
  FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t
  LEFT JOIN [sales].[Order Details größe] AS b ON b.[seen] = t.[key_seen] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = t.[key_seen] AND DATALENGTH(b.[seen]) = t.[key_1_length] AND b.[a b "c" 'd'] = t.[a b "c" 'd'] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = t.[a b "c" 'd'] AND DATALENGTH(b.[a b "c" 'd']) = t.[key_2_length] AND b.[at] = t.[at] AND DATEPART(TZOFFSET, b.[at]) = t.[key_3_offset]
  WHERE t.[is_local] = 1 AND t.[row_version] >= @after AND t.[row_version] < @below
  AND (t.[row_version] > @after OR t.[local_version] > @after_version)
  ORDER BY t.[row_version], t.[local_version];
END
GO
-- procedure that applies changes of [sales].[Order Details größe]
CREATE PROCEDURE [DataSync].[sales.Order Details größe_dss_apply]
  @step_800217a5 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_800217a5 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a b "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a b "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a b "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5];
  END
  IF @step_800217a5 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a b "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a b "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a b "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5];
  END
  IF @step_800217a5 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a b "c" 'd'], [key_2_length], [at], [key_3_offset], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], u.[k1], u.[k2], u.[k3], u.[k4], u.[k5], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a b "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a b "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5]
WHERE t.[local_version] IS NULL;
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET
  [is_tombstone] = @P4,
  [seen] = u.[seen],
  [apply_batch] = @P5,
  [local_version] = NULL,
  [is_local] = 0,
  [local_incarnation] = NULL,
  [changed_at] = NULL,
  [change_kind] = NULL,
  [inside_apply] = NULL
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]', [incarnation] nvarchar(max) '$[6]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a b "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_800217a5 = 'insert'
  BEGIN
INSERT INTO [sales].[Order Details größe] ([seen], [a b "c" 'd'], [at], [{base}])
SELECT u.[k0], u.[k2], u.[k4], u.[v0] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [v0] nvarchar(max) '$[4]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a b "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a b "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_800217a5 = 'update'
  BEGIN
UPDATE b SET [{base}] = u.[v0] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [v0] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a b "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a b "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5];
SELECT @@ROWCOUNT;
  END
  IF @step_800217a5 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a b "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a b "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5];
SELECT @@ROWCOUNT;
  END
END
GO
-- read changes
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; EXEC [DataSync].[sales.Order Details größe_dss_selectchanges] @P1, @P2, @P3, @P4; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- count changes
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT COUNT_BIG(*)
FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t
WHERE t.[is_local] = 1 AND t.[row_version] >= @P1 AND (t.[row_version] > @P1 OR t.[local_version] > @P2); SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- measure a chunk
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT CAST(b.[seen] AS varbinary(40)) AS [c0], CAST(CAST(b.[a b "c" 'd'] AS nvarchar(10)) AS varbinary(20)) AS [c1], b.[at] AS [c2], b.[{base}] AS [c3]
FROM [sales].[Order Details größe] AS b
WHERE 1 = 1
ORDER BY b.[seen], b.[a b "c" 'd'], b.[at]
OFFSET @P1 ROWS FETCH NEXT 50 ROWS ONLY; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read a chunk
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT CAST(b.[seen] AS varbinary(40)) AS [c0], CAST(CAST(b.[a b "c" 'd'] AS nvarchar(10)) AS varbinary(20)) AS [c1], b.[at] AS [c2], b.[{base}] AS [c3]
FROM [sales].[Order Details größe] AS b
WHERE b.[seen] >= CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[seen] > CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) OR (b.[seen] = CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[a b "c" 'd'] > CAST(@P2 COLLATE Cyrillic_General_CI_AS AS varchar(10)) OR (b.[a b "c" 'd'] = CAST(@P2 COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND (b.[at] > CAST(@P3 AS datetimeoffset(7))))))) AND b.[seen] <= CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[seen] < CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) OR (b.[seen] = CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[a b "c" 'd'] < CAST(@P5 COLLATE Cyrillic_General_CI_AS AS varchar(10)) OR (b.[a b "c" 'd'] = CAST(@P5 COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND (b.[at] <= CAST(@P6 AS datetimeoffset(7))))))) AND NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WHERE t.[key_seen] = b.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(b.[seen]) AND t.[a b "c" 'd'] = b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(b.[a b "c" 'd']) AND t.[at] = b.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, b.[at]))
ORDER BY b.[seen], b.[a b "c" 'd'], b.[at]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- are there rows left
SELECT TOP (1) 1
FROM [sales].[Order Details größe] AS b
WHERE b.[seen] >= CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[seen] > CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) OR (b.[seen] = CAST(@P1 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[a b "c" 'd'] > CAST(@P2 COLLATE Cyrillic_General_CI_AS AS varchar(10)) OR (b.[a b "c" 'd'] = CAST(@P2 COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND (b.[at] > CAST(@P3 AS datetimeoffset(7))))))) AND b.[seen] <= CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[seen] < CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) OR (b.[seen] = CAST(@P4 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND (b.[a b "c" 'd'] < CAST(@P5 COLLATE Cyrillic_General_CI_AS AS varchar(10)) OR (b.[a b "c" 'd'] = CAST(@P5 COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND (b.[at] <= CAST(@P6 AS datetimeoffset(7))))))) AND NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WHERE t.[key_seen] = b.[seen] COLLATE Latin1_General_100_BIN2 AND t.[key_1_length] = DATALENGTH(b.[seen]) AND t.[a b "c" 'd'] = b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 AND t.[key_2_length] = DATALENGTH(b.[a b "c" 'd']) AND t.[at] = b.[at] AND t.[key_3_offset] = DATEPART(TZOFFSET, b.[at]))
ORDER BY b.[seen], b.[a b "c" 'd'], b.[at]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read all rows
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT CAST(b.[seen] AS varbinary(40)) AS [c0], CAST(CAST(b.[a b "c" 'd'] AS nvarchar(10)) AS varbinary(20)) AS [c1], b.[at] AS [c2], b.[{base}] AS [c3] FROM [sales].[Order Details größe] AS b; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read rows by key
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT k.[n], CAST(b.[seen] AS varbinary(40)) AS [c0], CAST(CAST(b.[a b "c" 'd'] AS nvarchar(10)) AS varbinary(20)) AS [c1], b.[at] AS [c2], b.[{base}] AS [c3]
FROM (VALUES
  (@P1, CAST(@P2 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)), CAST(@P3 COLLATE Cyrillic_General_CI_AS AS varchar(10)), CAST(@P4 AS datetimeoffset(7))),
  (@P5, CAST(@P6 COLLATE Latin1_General_100_CI_AS AS nvarchar(20)), CAST(@P7 COLLATE Cyrillic_General_CI_AS AS varchar(10)), CAST(@P8 AS datetimeoffset(7)))
) AS k ([n], [k1], [k2], [k3])
INNER JOIN [sales].[Order Details größe] AS b ON b.[seen] = k.[k1] AND b.[a b "c" 'd'] = k.[k2] AND b.[at] = k.[k3]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- write a row by hand
IF EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND b.[seen] COLLATE Latin1_General_100_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND DATALENGTH(b.[seen]) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20))) AND b.[a b "c" 'd'] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10))) AND b.[at] = CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)) AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7))))
  UPDATE b SET [{base}] = 5 FROM [sales].[Order Details größe] AS b WHERE b.[seen] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND b.[seen] COLLATE Latin1_General_100_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND DATALENGTH(b.[seen]) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20))) AND b.[a b "c" 'd'] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10))) AND b.[at] = CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)) AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)));
ELSE
BEGIN
  INSERT INTO [sales].[Order Details größe] ([seen], [a b "c" 'd'], [at], [{base}]) VALUES ((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)), 5);
END
GO
-- delete a row by hand
DELETE b FROM [sales].[Order Details größe] AS b WHERE b.[seen] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND b.[seen] COLLATE Latin1_General_100_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20)) AND DATALENGTH(b.[seen]) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Latin1_General_100_CI_AS AS nvarchar(20))) AND b.[a b "c" 'd'] = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND b.[a b "c" 'd'] COLLATE Cyrillic_General_BIN2 = CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10)) AND DATALENGTH(b.[a b "c" 'd']) = DATALENGTH(CAST((CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a') COLLATE Cyrillic_General_CI_AS AS varchar(10))) AND b.[at] = CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)) AND DATEPART(TZOFFSET, b.[at]) = DATEPART(TZOFFSET, CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)));
GO
-- remove
DROP PROCEDURE [DataSync].[sales.Order Details größe_dss_apply]
GO
-- remove
DROP PROCEDURE [DataSync].[sales.Order Details größe_dss_selectchanges]
GO
-- remove
DROP TRIGGER [sales].[Order Details größe_dss_delete_trigger]
GO
-- remove
DROP TRIGGER [sales].[Order Details größe_dss_update_trigger]
GO
-- remove
DROP TRIGGER [sales].[Order Details größe_dss_insert_trigger]
GO
-- remove
DROP INDEX [sales.Order Details größe_dss_changes] ON [DataSync].[sales.Order Details größe_dss_tracking]
GO
-- remove
DROP TABLE [DataSync].[sales.Order Details größe_dss_tracking]
GO
