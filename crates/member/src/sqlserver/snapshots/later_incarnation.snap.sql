-- tracking table of [dbo].[note]
CREATE TABLE [DataSync].[note_dss_tracking] (
  [id] int NOT NULL,
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
  CONSTRAINT [note_dss_tracking_key] PRIMARY KEY CLUSTERED ([id])
)
GO
-- index for polling of [dbo].[note]
CREATE INDEX [note_dss_changes] ON [DataSync].[note_dss_tracking] ([is_local], [row_version], [local_version])
GO
-- insert trigger of [dbo].[note]
CREATE TRIGGER [dbo].[note_dss_insert_trigger] ON [dbo].[note] AFTER INSERT AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = N'hq~2',
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [seen] = CASE WHEN t.[local_version] IS NOT NULL AND (t.[local_incarnation] IS NULL OR t.[local_incarnation] <> N'hq~2') THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], N'hq') + ':' + CAST(t.[local_version] AS varchar(20))) ELSE t.[seen] END,
    [is_tombstone] = 0
  FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[id] = i.[id]
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[note_dss_tracking] ([id], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[id], NEXT VALUE FOR [DataSync].[dss_version], N'hq~2', 1, @now, @inside, 0, ''
  FROM inserted AS i
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[id] = i.[id]);
END
GO
-- update trigger of [dbo].[note]
CREATE TRIGGER [dbo].[note_dss_update_trigger] ON [dbo].[note] AFTER UPDATE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = N'hq~2',
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [seen] = CASE WHEN t.[local_version] IS NOT NULL AND (t.[local_incarnation] IS NULL OR t.[local_incarnation] <> N'hq~2') THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], N'hq') + ':' + CAST(t.[local_version] AS varchar(20))) ELSE t.[seen] END,
    [is_tombstone] = 0
  FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[id] = i.[id]
  LEFT JOIN deleted AS d ON d.[id] = i.[id]
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND (d.[id] IS NULL
    OR i.[note] <> d.[note]
    OR (i.[note] IS NULL AND d.[note] IS NOT NULL)
    OR (i.[note] IS NOT NULL AND d.[note] IS NULL));

  INSERT INTO [DataSync].[note_dss_tracking] ([id], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[id], NEXT VALUE FOR [DataSync].[dss_version], N'hq~2', 1, @now, @inside, 0, N'hq:1'
  FROM inserted AS i
  LEFT JOIN deleted AS d ON d.[id] = i.[id]
  WHERE (d.[id] IS NULL
    OR i.[note] <> d.[note]
    OR (i.[note] IS NULL AND d.[note] IS NOT NULL)
    OR (i.[note] IS NOT NULL AND d.[note] IS NULL))
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[id] = i.[id]);

  IF NOT (UPDATE([id])) RETURN;

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = N'hq~2',
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [seen] = CASE WHEN t.[local_version] IS NOT NULL AND (t.[local_incarnation] IS NULL OR t.[local_incarnation] <> N'hq~2') THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], N'hq') + ':' + CAST(t.[local_version] AS varchar(20))) ELSE t.[seen] END,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[note] AS b WHERE b.[id] = d.[id]) THEN 0 ELSE 1 END
  FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[id] = d.[id]
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[id] = i.[id]);

  INSERT INTO [DataSync].[note_dss_tracking] ([id], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[id], NEXT VALUE FOR [DataSync].[dss_version], N'hq~2', 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[note] AS b WHERE b.[id] = d.[id]) THEN 0 ELSE 1 END, N'hq:1'
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[id] = i.[id])
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[id] = d.[id]);
END
GO
-- delete trigger of [dbo].[note]
CREATE TRIGGER [dbo].[note_dss_delete_trigger] ON [dbo].[note] AFTER DELETE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM deleted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = N'hq~2',
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [seen] = CASE WHEN t.[local_version] IS NOT NULL AND (t.[local_incarnation] IS NULL OR t.[local_incarnation] <> N'hq~2') THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], N'hq') + ':' + CAST(t.[local_version] AS varchar(20))) ELSE t.[seen] END,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[note] AS b WHERE b.[id] = d.[id]) THEN 0 ELSE 1 END
  FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[id] = d.[id]
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[note_dss_tracking] ([id], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[id], NEXT VALUE FOR [DataSync].[dss_version], N'hq~2', 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[note] AS b WHERE b.[id] = d.[id]) THEN 0 ELSE 1 END, N'hq:1'
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[note_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[id] = d.[id]);
END
GO
-- procedure that reads the changes of [dbo].[note]
CREATE PROCEDURE [DataSync].[note_dss_selectchanges]
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
    CASE WHEN b.[id] IS NULL THEN 1 ELSE 0 END,
    t.[id] AS [c0],
    b.[note] AS [c1]
  FROM [DataSync].[note_dss_tracking] AS t
  LEFT JOIN [dbo].[note] AS b ON b.[id] = t.[id]
  WHERE t.[is_local] = 1 AND t.[row_version] >= @after AND t.[row_version] < @below
  AND (t.[row_version] > @after OR t.[local_version] > @after_version)
  ORDER BY t.[row_version], t.[local_version];
END
GO
-- procedure that applies changes of [dbo].[note]
CREATE PROCEDURE [DataSync].[note_dss_apply]
  @step_8eb28029 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_8eb28029 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[note] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[note_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_8eb28029 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[note] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[note_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_8eb28029 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[note_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[note_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[note_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[note_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_8eb28029 = 'insert'
  BEGIN
INSERT INTO [dbo].[note] ([id], [note])
SELECT u.[k0], u.[v0] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[note] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[id] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_8eb28029 = 'update'
  BEGIN
UPDATE b SET [note] = u.[v0] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [dbo].[note] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
  IF @step_8eb28029 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[note] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
