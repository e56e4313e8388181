-- tracking table of [dbo].[key]
CREATE TABLE [DataSync].[key_dss_tracking] (
  [bytes] varbinary(16) NOT NULL,
  [key_1_length] int NOT NULL,
  [code] char(5) COLLATE Latin1_General_BIN2 NOT NULL,
  [exact] nvarchar(5) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [key_3_length] int NOT NULL,
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
  CONSTRAINT [key_dss_tracking_key] PRIMARY KEY CLUSTERED ([bytes], [key_1_length], [code], [exact], [key_3_length])
)
GO
-- index for polling of [dbo].[key]
CREATE INDEX [key_dss_changes] ON [DataSync].[key_dss_tracking] ([is_local], [row_version], [local_version])
GO
-- insert trigger of [dbo].[key]
CREATE TRIGGER [dbo].[key_dss_insert_trigger] ON [dbo].[key] AFTER INSERT AS
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
  FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[bytes] = i.[bytes] AND t.[key_1_length] = DATALENGTH(i.[bytes]) AND t.[code] = i.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = i.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(i.[exact])
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[key_dss_tracking] ([bytes], [key_1_length], [code], [exact], [key_3_length], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[bytes], DATALENGTH(i.[bytes]), i.[code], i.[exact], DATALENGTH(i.[exact]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[bytes] = i.[bytes] AND t.[key_1_length] = DATALENGTH(i.[bytes]) AND t.[code] = i.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = i.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(i.[exact]));
END
GO
-- update trigger of [dbo].[key]
CREATE TRIGGER [dbo].[key_dss_update_trigger] ON [dbo].[key] AFTER UPDATE AS
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
  FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[bytes] = i.[bytes] AND t.[key_1_length] = DATALENGTH(i.[bytes]) AND t.[code] = i.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = i.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(i.[exact])
  LEFT JOIN deleted AS d ON d.[bytes] = i.[bytes] AND DATALENGTH(d.[bytes]) = DATALENGTH(i.[bytes]) AND d.[code] COLLATE Latin1_General_BIN2 = i.[code] COLLATE Latin1_General_BIN2 AND d.[exact] COLLATE Latin1_General_100_BIN2 = i.[exact] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[exact]) = DATALENGTH(i.[exact])
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND (d.[bytes] IS NULL);

  INSERT INTO [DataSync].[key_dss_tracking] ([bytes], [key_1_length], [code], [exact], [key_3_length], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[bytes], DATALENGTH(i.[bytes]), i.[code], i.[exact], DATALENGTH(i.[exact]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  LEFT JOIN deleted AS d ON d.[bytes] = i.[bytes] AND DATALENGTH(d.[bytes]) = DATALENGTH(i.[bytes]) AND d.[code] COLLATE Latin1_General_BIN2 = i.[code] COLLATE Latin1_General_BIN2 AND d.[exact] COLLATE Latin1_General_100_BIN2 = i.[exact] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[exact]) = DATALENGTH(i.[exact])
  WHERE (d.[bytes] IS NULL)
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[bytes] = i.[bytes] AND t.[key_1_length] = DATALENGTH(i.[bytes]) AND t.[code] = i.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = i.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(i.[exact]));

  IF NOT (UPDATE([bytes]) OR UPDATE([code]) OR UPDATE([exact])) RETURN;

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[key] AS b WHERE b.[bytes] = d.[bytes] AND DATALENGTH(b.[bytes]) = DATALENGTH(d.[bytes]) AND b.[code] = d.[code] AND b.[code] COLLATE Latin1_General_BIN2 = d.[code] COLLATE Latin1_General_BIN2 AND b.[exact] = d.[exact] AND DATALENGTH(b.[exact]) = DATALENGTH(d.[exact])) THEN 0 ELSE 1 END
  FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[bytes] = d.[bytes] AND t.[key_1_length] = DATALENGTH(d.[bytes]) AND t.[code] = d.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = d.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(d.[exact])
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[bytes] = i.[bytes] AND DATALENGTH(d.[bytes]) = DATALENGTH(i.[bytes]) AND d.[code] COLLATE Latin1_General_BIN2 = i.[code] COLLATE Latin1_General_BIN2 AND d.[exact] COLLATE Latin1_General_100_BIN2 = i.[exact] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[exact]) = DATALENGTH(i.[exact]));

  INSERT INTO [DataSync].[key_dss_tracking] ([bytes], [key_1_length], [code], [exact], [key_3_length], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[bytes], DATALENGTH(d.[bytes]), d.[code], d.[exact], DATALENGTH(d.[exact]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[key] AS b WHERE b.[bytes] = d.[bytes] AND DATALENGTH(b.[bytes]) = DATALENGTH(d.[bytes]) AND b.[code] = d.[code] AND b.[code] COLLATE Latin1_General_BIN2 = d.[code] COLLATE Latin1_General_BIN2 AND b.[exact] = d.[exact] AND DATALENGTH(b.[exact]) = DATALENGTH(d.[exact])) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[bytes] = i.[bytes] AND DATALENGTH(d.[bytes]) = DATALENGTH(i.[bytes]) AND d.[code] COLLATE Latin1_General_BIN2 = i.[code] COLLATE Latin1_General_BIN2 AND d.[exact] COLLATE Latin1_General_100_BIN2 = i.[exact] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(d.[exact]) = DATALENGTH(i.[exact]))
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[bytes] = d.[bytes] AND t.[key_1_length] = DATALENGTH(d.[bytes]) AND t.[code] = d.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = d.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(d.[exact]));
END
GO
-- delete trigger of [dbo].[key]
CREATE TRIGGER [dbo].[key_dss_delete_trigger] ON [dbo].[key] AFTER DELETE AS
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
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[key] AS b WHERE b.[bytes] = d.[bytes] AND DATALENGTH(b.[bytes]) = DATALENGTH(d.[bytes]) AND b.[code] = d.[code] AND b.[code] COLLATE Latin1_General_BIN2 = d.[code] COLLATE Latin1_General_BIN2 AND b.[exact] = d.[exact] AND DATALENGTH(b.[exact]) = DATALENGTH(d.[exact])) THEN 0 ELSE 1 END
  FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[bytes] = d.[bytes] AND t.[key_1_length] = DATALENGTH(d.[bytes]) AND t.[code] = d.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = d.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(d.[exact])
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[key_dss_tracking] ([bytes], [key_1_length], [code], [exact], [key_3_length], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[bytes], DATALENGTH(d.[bytes]), d.[code], d.[exact], DATALENGTH(d.[exact]), NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[key] AS b WHERE b.[bytes] = d.[bytes] AND DATALENGTH(b.[bytes]) = DATALENGTH(d.[bytes]) AND b.[code] = d.[code] AND b.[code] COLLATE Latin1_General_BIN2 = d.[code] COLLATE Latin1_General_BIN2 AND b.[exact] = d.[exact] AND DATALENGTH(b.[exact]) = DATALENGTH(d.[exact])) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[bytes] = d.[bytes] AND t.[key_1_length] = DATALENGTH(d.[bytes]) AND t.[code] = d.[code] COLLATE Latin1_General_BIN2 AND t.[exact] = d.[exact] COLLATE Latin1_General_100_BIN2 AND t.[key_3_length] = DATALENGTH(d.[exact]));
END
GO
-- procedure that reads the changes of [dbo].[key]
CREATE PROCEDURE [DataSync].[key_dss_selectchanges]
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
    CASE WHEN b.[bytes] IS NULL THEN 1 ELSE 0 END,
    t.[bytes] AS [c0],
    CAST(CAST(t.[code] AS nvarchar(5)) AS varbinary(10)) AS [c1],
    CAST(t.[exact] AS varbinary(10)) AS [c2]
  FROM [DataSync].[key_dss_tracking] AS t
  LEFT JOIN [dbo].[key] AS b ON b.[bytes] = t.[bytes] AND DATALENGTH(b.[bytes]) = t.[key_1_length] AND b.[code] = t.[code] COLLATE SQL_Latin1_General_CP1_CI_AS AND b.[code] COLLATE Latin1_General_BIN2 = t.[code] AND b.[exact] = t.[exact] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[exact]) = t.[key_3_length]
  WHERE t.[is_local] = 1 AND t.[row_version] >= @after AND t.[row_version] < @below
  AND (t.[row_version] > @after OR t.[local_version] > @after_version)
  ORDER BY t.[row_version], t.[local_version];
END
GO
-- procedure that applies changes of [dbo].[key]
CREATE PROCEDURE [DataSync].[key_dss_apply]
  @step_ddb95953 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_ddb95953 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[bytes] = u.[k0] AND DATALENGTH(b.[bytes]) = u.[k1] AND b.[code] = u.[k2] COLLATE SQL_Latin1_General_CP1_CI_AS AND b.[code] COLLATE Latin1_General_BIN2 = u.[k2] AND b.[exact] = u.[k3] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[exact]) = u.[k4];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[bytes] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[code] = u.[k2] AND t.[exact] = u.[k3] AND t.[key_3_length] = u.[k4];
  END
  IF @step_ddb95953 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[bytes] = u.[k0] AND DATALENGTH(b.[bytes]) = u.[k1] AND b.[code] = u.[k2] COLLATE SQL_Latin1_General_CP1_CI_AS AND b.[code] COLLATE Latin1_General_BIN2 = u.[k2] AND b.[exact] = u.[k3] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[exact]) = u.[k4];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[bytes] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[code] = u.[k2] AND t.[exact] = u.[k3] AND t.[key_3_length] = u.[k4];
  END
  IF @step_ddb95953 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[key_dss_tracking] ([bytes], [key_1_length], [code], [exact], [key_3_length], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], u.[k1], u.[k2], u.[k3], u.[k4], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[bytes] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[code] = u.[k2] AND t.[exact] = u.[k3] AND t.[key_3_length] = u.[k4]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[bytes] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[code] = u.[k2] AND t.[exact] = u.[k3] AND t.[key_3_length] = u.[k4]
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
FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [seen] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]', [incarnation] nvarchar(max) '$[6]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[bytes] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[code] = u.[k2] AND t.[exact] = u.[k3] AND t.[key_3_length] = u.[k4]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_ddb95953 = 'insert'
  BEGIN
INSERT INTO [dbo].[key] ([bytes], [code], [exact])
SELECT u.[k0], u.[k2], u.[k3] FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[key] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[bytes] = u.[k0] AND DATALENGTH(b.[bytes]) = u.[k1] AND b.[code] = u.[k2] COLLATE SQL_Latin1_General_CP1_CI_AS AND b.[code] COLLATE Latin1_General_BIN2 = u.[k2] AND b.[exact] = u.[k3] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[exact]) = u.[k4]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_ddb95953 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CONVERT(varbinary(16), j.[key0], 2) AS [k0], DATALENGTH(CONVERT(varbinary(16), j.[key0], 2)) AS [k1], CAST(j.[key1] COLLATE Latin1_General_BIN2 AS char(5)) AS [k2], CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5)) AS [k3], DATALENGTH(CAST(j.[key2] COLLATE Latin1_General_100_BIN2 AS nvarchar(5))) AS [k4] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (ROWLOCK) ON b.[bytes] = u.[k0] AND DATALENGTH(b.[bytes]) = u.[k1] AND b.[code] = u.[k2] COLLATE SQL_Latin1_General_CP1_CI_AS AND b.[code] COLLATE Latin1_General_BIN2 = u.[k2] AND b.[exact] = u.[k3] COLLATE Latin1_General_100_BIN2 AND DATALENGTH(b.[exact]) = u.[k4];
SELECT @@ROWCOUNT;
  END
END
GO
