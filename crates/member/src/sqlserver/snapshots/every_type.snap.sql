-- tracking table of [dbo].[every type]
CREATE TABLE [DataSync].[every type_dss_tracking] (
  [numbered] int NOT NULL,
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
  CONSTRAINT [every type_dss_tracking_key] PRIMARY KEY CLUSTERED ([numbered])
)
GO
-- index for polling of [dbo].[every type]
CREATE INDEX [every type_dss_changes] ON [DataSync].[every type_dss_tracking] ([is_local], [row_version], [local_version])
GO
-- insert trigger of [dbo].[every type]
CREATE TRIGGER [dbo].[every type_dss_insert_trigger] ON [dbo].[every type] AFTER INSERT AS
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
  FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[numbered] = i.[numbered]
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[every type_dss_tracking] ([numbered], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[numbered], NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[numbered] = i.[numbered]);
END
GO
-- update trigger of [dbo].[every type]
CREATE TRIGGER [dbo].[every type_dss_update_trigger] ON [dbo].[every type] AFTER UPDATE AS
BEGIN
  SET NOCOUNT ON;
  SET ROWCOUNT 0;
  IF NOT EXISTS (SELECT 1 FROM inserted) RETURN;
  DECLARE @batch bigint = CONVERT(bigint, SESSION_CONTEXT(N'dss_apply'));
  DECLARE @inside bit = CASE WHEN @batch IS NULL THEN NULL ELSE 1 END;
  DECLARE @now datetime2(7) = SYSUTCDATETIME();
  DECLARE @hidden bit = 0;
  IF UPDATE([text]) OR UPDATE([ntext]) OR UPDATE([image]) SET @hidden = 1;

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = 0
  FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN inserted AS i ON t.[numbered] = i.[numbered]
  LEFT JOIN deleted AS d ON d.[numbered] = i.[numbered]
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND (d.[numbered] IS NULL
    OR @hidden = 1
    OR i.[bit] <> d.[bit]
    OR (i.[bit] IS NULL AND d.[bit] IS NOT NULL)
    OR (i.[bit] IS NOT NULL AND d.[bit] IS NULL)
    OR i.[tinyint] <> d.[tinyint]
    OR (i.[tinyint] IS NULL AND d.[tinyint] IS NOT NULL)
    OR (i.[tinyint] IS NOT NULL AND d.[tinyint] IS NULL)
    OR i.[smallint] <> d.[smallint]
    OR (i.[smallint] IS NULL AND d.[smallint] IS NOT NULL)
    OR (i.[smallint] IS NOT NULL AND d.[smallint] IS NULL)
    OR i.[bigint] <> d.[bigint]
    OR (i.[bigint] IS NULL AND d.[bigint] IS NOT NULL)
    OR (i.[bigint] IS NOT NULL AND d.[bigint] IS NULL)
    OR i.[decimal] <> d.[decimal]
    OR (i.[decimal] IS NULL AND d.[decimal] IS NOT NULL)
    OR (i.[decimal] IS NOT NULL AND d.[decimal] IS NULL)
    OR i.[money] <> d.[money]
    OR (i.[money] IS NULL AND d.[money] IS NOT NULL)
    OR (i.[money] IS NOT NULL AND d.[money] IS NULL)
    OR i.[smallmoney] <> d.[smallmoney]
    OR (i.[smallmoney] IS NULL AND d.[smallmoney] IS NOT NULL)
    OR (i.[smallmoney] IS NOT NULL AND d.[smallmoney] IS NULL)
    OR i.[real] <> d.[real]
    OR (i.[real] IS NULL AND d.[real] IS NOT NULL)
    OR (i.[real] IS NOT NULL AND d.[real] IS NULL)
    OR i.[float] <> d.[float]
    OR (i.[float] IS NULL AND d.[float] IS NOT NULL)
    OR (i.[float] IS NOT NULL AND d.[float] IS NULL)
    OR i.[char] COLLATE Latin1_General_BIN2 <> d.[char] COLLATE Latin1_General_BIN2
    OR DATALENGTH(i.[char]) <> DATALENGTH(d.[char])
    OR (i.[char] IS NULL AND d.[char] IS NOT NULL)
    OR (i.[char] IS NOT NULL AND d.[char] IS NULL)
    OR i.[varchar] COLLATE Latin1_General_BIN2 <> d.[varchar] COLLATE Latin1_General_BIN2
    OR DATALENGTH(i.[varchar]) <> DATALENGTH(d.[varchar])
    OR (i.[varchar] IS NULL AND d.[varchar] IS NOT NULL)
    OR (i.[varchar] IS NOT NULL AND d.[varchar] IS NULL)
    OR i.[nchar] COLLATE Latin1_General_100_BIN2 <> d.[nchar] COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(i.[nchar]) <> DATALENGTH(d.[nchar])
    OR (i.[nchar] IS NULL AND d.[nchar] IS NOT NULL)
    OR (i.[nchar] IS NOT NULL AND d.[nchar] IS NULL)
    OR i.[nvarchar] COLLATE Latin1_General_100_BIN2 <> d.[nvarchar] COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(i.[nvarchar]) <> DATALENGTH(d.[nvarchar])
    OR (i.[nvarchar] IS NULL AND d.[nvarchar] IS NOT NULL)
    OR (i.[nvarchar] IS NOT NULL AND d.[nvarchar] IS NULL)
    OR CAST(i.[xml] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 <> CAST(d.[xml] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(CAST(i.[xml] AS nvarchar(max))) <> DATALENGTH(CAST(d.[xml] AS nvarchar(max)))
    OR (i.[xml] IS NULL AND d.[xml] IS NOT NULL)
    OR (i.[xml] IS NOT NULL AND d.[xml] IS NULL)
    OR i.[binary] <> d.[binary]
    OR DATALENGTH(i.[binary]) <> DATALENGTH(d.[binary])
    OR (i.[binary] IS NULL AND d.[binary] IS NOT NULL)
    OR (i.[binary] IS NOT NULL AND d.[binary] IS NULL)
    OR i.[varbinary] <> d.[varbinary]
    OR DATALENGTH(i.[varbinary]) <> DATALENGTH(d.[varbinary])
    OR (i.[varbinary] IS NULL AND d.[varbinary] IS NOT NULL)
    OR (i.[varbinary] IS NOT NULL AND d.[varbinary] IS NULL)
    OR i.[uniqueidentifier] <> d.[uniqueidentifier]
    OR (i.[uniqueidentifier] IS NULL AND d.[uniqueidentifier] IS NOT NULL)
    OR (i.[uniqueidentifier] IS NOT NULL AND d.[uniqueidentifier] IS NULL)
    OR i.[date] <> d.[date]
    OR (i.[date] IS NULL AND d.[date] IS NOT NULL)
    OR (i.[date] IS NOT NULL AND d.[date] IS NULL)
    OR i.[time] <> d.[time]
    OR (i.[time] IS NULL AND d.[time] IS NOT NULL)
    OR (i.[time] IS NOT NULL AND d.[time] IS NULL)
    OR i.[datetime] <> d.[datetime]
    OR (i.[datetime] IS NULL AND d.[datetime] IS NOT NULL)
    OR (i.[datetime] IS NOT NULL AND d.[datetime] IS NULL)
    OR i.[smalldatetime] <> d.[smalldatetime]
    OR (i.[smalldatetime] IS NULL AND d.[smalldatetime] IS NOT NULL)
    OR (i.[smalldatetime] IS NOT NULL AND d.[smalldatetime] IS NULL)
    OR i.[datetime2] <> d.[datetime2]
    OR (i.[datetime2] IS NULL AND d.[datetime2] IS NOT NULL)
    OR (i.[datetime2] IS NOT NULL AND d.[datetime2] IS NULL)
    OR i.[datetimeoffset] <> d.[datetimeoffset]
    OR DATEPART(TZOFFSET, i.[datetimeoffset]) <> DATEPART(TZOFFSET, d.[datetimeoffset])
    OR (i.[datetimeoffset] IS NULL AND d.[datetimeoffset] IS NOT NULL)
    OR (i.[datetimeoffset] IS NOT NULL AND d.[datetimeoffset] IS NULL));

  INSERT INTO [DataSync].[every type_dss_tracking] ([numbered], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT i.[numbered], NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside, 0, ''
  FROM inserted AS i
  LEFT JOIN deleted AS d ON d.[numbered] = i.[numbered]
  WHERE (d.[numbered] IS NULL
    OR @hidden = 1
    OR i.[bit] <> d.[bit]
    OR (i.[bit] IS NULL AND d.[bit] IS NOT NULL)
    OR (i.[bit] IS NOT NULL AND d.[bit] IS NULL)
    OR i.[tinyint] <> d.[tinyint]
    OR (i.[tinyint] IS NULL AND d.[tinyint] IS NOT NULL)
    OR (i.[tinyint] IS NOT NULL AND d.[tinyint] IS NULL)
    OR i.[smallint] <> d.[smallint]
    OR (i.[smallint] IS NULL AND d.[smallint] IS NOT NULL)
    OR (i.[smallint] IS NOT NULL AND d.[smallint] IS NULL)
    OR i.[bigint] <> d.[bigint]
    OR (i.[bigint] IS NULL AND d.[bigint] IS NOT NULL)
    OR (i.[bigint] IS NOT NULL AND d.[bigint] IS NULL)
    OR i.[decimal] <> d.[decimal]
    OR (i.[decimal] IS NULL AND d.[decimal] IS NOT NULL)
    OR (i.[decimal] IS NOT NULL AND d.[decimal] IS NULL)
    OR i.[money] <> d.[money]
    OR (i.[money] IS NULL AND d.[money] IS NOT NULL)
    OR (i.[money] IS NOT NULL AND d.[money] IS NULL)
    OR i.[smallmoney] <> d.[smallmoney]
    OR (i.[smallmoney] IS NULL AND d.[smallmoney] IS NOT NULL)
    OR (i.[smallmoney] IS NOT NULL AND d.[smallmoney] IS NULL)
    OR i.[real] <> d.[real]
    OR (i.[real] IS NULL AND d.[real] IS NOT NULL)
    OR (i.[real] IS NOT NULL AND d.[real] IS NULL)
    OR i.[float] <> d.[float]
    OR (i.[float] IS NULL AND d.[float] IS NOT NULL)
    OR (i.[float] IS NOT NULL AND d.[float] IS NULL)
    OR i.[char] COLLATE Latin1_General_BIN2 <> d.[char] COLLATE Latin1_General_BIN2
    OR DATALENGTH(i.[char]) <> DATALENGTH(d.[char])
    OR (i.[char] IS NULL AND d.[char] IS NOT NULL)
    OR (i.[char] IS NOT NULL AND d.[char] IS NULL)
    OR i.[varchar] COLLATE Latin1_General_BIN2 <> d.[varchar] COLLATE Latin1_General_BIN2
    OR DATALENGTH(i.[varchar]) <> DATALENGTH(d.[varchar])
    OR (i.[varchar] IS NULL AND d.[varchar] IS NOT NULL)
    OR (i.[varchar] IS NOT NULL AND d.[varchar] IS NULL)
    OR i.[nchar] COLLATE Latin1_General_100_BIN2 <> d.[nchar] COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(i.[nchar]) <> DATALENGTH(d.[nchar])
    OR (i.[nchar] IS NULL AND d.[nchar] IS NOT NULL)
    OR (i.[nchar] IS NOT NULL AND d.[nchar] IS NULL)
    OR i.[nvarchar] COLLATE Latin1_General_100_BIN2 <> d.[nvarchar] COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(i.[nvarchar]) <> DATALENGTH(d.[nvarchar])
    OR (i.[nvarchar] IS NULL AND d.[nvarchar] IS NOT NULL)
    OR (i.[nvarchar] IS NOT NULL AND d.[nvarchar] IS NULL)
    OR CAST(i.[xml] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 <> CAST(d.[xml] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2
    OR DATALENGTH(CAST(i.[xml] AS nvarchar(max))) <> DATALENGTH(CAST(d.[xml] AS nvarchar(max)))
    OR (i.[xml] IS NULL AND d.[xml] IS NOT NULL)
    OR (i.[xml] IS NOT NULL AND d.[xml] IS NULL)
    OR i.[binary] <> d.[binary]
    OR DATALENGTH(i.[binary]) <> DATALENGTH(d.[binary])
    OR (i.[binary] IS NULL AND d.[binary] IS NOT NULL)
    OR (i.[binary] IS NOT NULL AND d.[binary] IS NULL)
    OR i.[varbinary] <> d.[varbinary]
    OR DATALENGTH(i.[varbinary]) <> DATALENGTH(d.[varbinary])
    OR (i.[varbinary] IS NULL AND d.[varbinary] IS NOT NULL)
    OR (i.[varbinary] IS NOT NULL AND d.[varbinary] IS NULL)
    OR i.[uniqueidentifier] <> d.[uniqueidentifier]
    OR (i.[uniqueidentifier] IS NULL AND d.[uniqueidentifier] IS NOT NULL)
    OR (i.[uniqueidentifier] IS NOT NULL AND d.[uniqueidentifier] IS NULL)
    OR i.[date] <> d.[date]
    OR (i.[date] IS NULL AND d.[date] IS NOT NULL)
    OR (i.[date] IS NOT NULL AND d.[date] IS NULL)
    OR i.[time] <> d.[time]
    OR (i.[time] IS NULL AND d.[time] IS NOT NULL)
    OR (i.[time] IS NOT NULL AND d.[time] IS NULL)
    OR i.[datetime] <> d.[datetime]
    OR (i.[datetime] IS NULL AND d.[datetime] IS NOT NULL)
    OR (i.[datetime] IS NOT NULL AND d.[datetime] IS NULL)
    OR i.[smalldatetime] <> d.[smalldatetime]
    OR (i.[smalldatetime] IS NULL AND d.[smalldatetime] IS NOT NULL)
    OR (i.[smalldatetime] IS NOT NULL AND d.[smalldatetime] IS NULL)
    OR i.[datetime2] <> d.[datetime2]
    OR (i.[datetime2] IS NULL AND d.[datetime2] IS NOT NULL)
    OR (i.[datetime2] IS NOT NULL AND d.[datetime2] IS NULL)
    OR i.[datetimeoffset] <> d.[datetimeoffset]
    OR DATEPART(TZOFFSET, i.[datetimeoffset]) <> DATEPART(TZOFFSET, d.[datetimeoffset])
    OR (i.[datetimeoffset] IS NULL AND d.[datetimeoffset] IS NOT NULL)
    OR (i.[datetimeoffset] IS NOT NULL AND d.[datetimeoffset] IS NULL))
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[numbered] = i.[numbered]);

  IF NOT (UPDATE([numbered])) RETURN;

  UPDATE t
  SET [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
    [local_incarnation] = NULL,
    [is_local] = 1,
    [changed_at] = @now,
    [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,
    [inside_apply] = @inside,
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[every type] AS b WHERE b.[numbered] = d.[numbered]) THEN 0 ELSE 1 END
  FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[numbered] = d.[numbered]
  WHERE (@batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch)
  AND NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[numbered] = i.[numbered]);

  INSERT INTO [DataSync].[every type_dss_tracking] ([numbered], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[numbered], NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[every type] AS b WHERE b.[numbered] = d.[numbered]) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM inserted AS i WHERE d.[numbered] = i.[numbered])
  AND NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[numbered] = d.[numbered]);
END
GO
-- delete trigger of [dbo].[every type]
CREATE TRIGGER [dbo].[every type_dss_delete_trigger] ON [dbo].[every type] AFTER DELETE AS
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
    [is_tombstone] = CASE WHEN EXISTS (SELECT 1 FROM [dbo].[every type] AS b WHERE b.[numbered] = d.[numbered]) THEN 0 ELSE 1 END
  FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK)
  INNER JOIN deleted AS d ON t.[numbered] = d.[numbered]
  WHERE @batch IS NULL OR t.[apply_batch] IS NULL OR t.[apply_batch] <> @batch;

  INSERT INTO [DataSync].[every type_dss_tracking] ([numbered], [local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], [is_tombstone], [seen])
  SELECT d.[numbered], NEXT VALUE FOR [DataSync].[dss_version], NULL, 1, @now, @inside,
    CASE WHEN EXISTS (SELECT 1 FROM [dbo].[every type] AS b WHERE b.[numbered] = d.[numbered]) THEN 0 ELSE 1 END, ''
  FROM deleted AS d
  WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (READCOMMITTEDLOCK) WHERE t.[numbered] = d.[numbered]);
END
GO
-- procedure that reads the changes of [dbo].[every type]
CREATE PROCEDURE [DataSync].[every type_dss_selectchanges]
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
    CASE WHEN b.[numbered] IS NULL THEN 1 ELSE 0 END,
    t.[numbered] AS [c0],
    b.[bit] AS [c1],
    b.[tinyint] AS [c2],
    b.[smallint] AS [c3],
    b.[bigint] AS [c4],
    b.[decimal] AS [c5],
    CAST(b.[money] AS decimal(19,4)) AS [c6],
    CAST(b.[smallmoney] AS decimal(19,4)) AS [c7],
    b.[real] AS [c8],
    b.[float] AS [c9],
    CAST(CAST(b.[char] AS nvarchar(10)) AS varbinary(20)) AS [c10],
    CAST(CAST(b.[varchar] AS nvarchar(max)) AS varbinary(max)) AS [c11],
    CAST(b.[nchar] AS varbinary(20)) AS [c12],
    CAST(b.[nvarchar] AS varbinary(max)) AS [c13],
    CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)) AS [c14],
    CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) AS [c15],
    CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)) AS [c16],
    b.[binary] AS [c17],
    b.[varbinary] AS [c18],
    CAST(b.[image] AS varbinary(max)) AS [c19],
    b.[uniqueidentifier] AS [c20],
    b.[date] AS [c21],
    b.[time] AS [c22],
    b.[datetime] AS [c23],
    b.[smalldatetime] AS [c24],
    b.[datetime2] AS [c25],
    b.[datetimeoffset] AS [c26]
  FROM [DataSync].[every type_dss_tracking] AS t
  LEFT JOIN [dbo].[every type] AS b ON b.[numbered] = t.[numbered]
  WHERE t.[is_local] = 1 AND t.[row_version] >= @after AND t.[row_version] < @below
  AND (t.[row_version] > @after OR t.[local_version] > @after_version)
  ORDER BY t.[row_version], t.[local_version];
END
GO
-- procedure that applies changes of [dbo].[every type]
CREATE PROCEDURE [DataSync].[every type_dss_apply]
  @step_496a3515 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_496a3515 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[numbered] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[numbered] = u.[k0];
  END
  IF @step_496a3515 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[numbered] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[numbered] = u.[k0];
  END
  IF @step_496a3515 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[every type_dss_tracking] ([numbered], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[numbered] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_496a3515 = 'insert'
  BEGIN
SET IDENTITY_INSERT [dbo].[every type] ON;
INSERT INTO [dbo].[every type] ([numbered], [bit], [tinyint], [smallint], [bigint], [decimal], [money], [smallmoney], [real], [float], [char], [varchar], [nchar], [nvarchar], [text], [ntext], [xml], [binary], [varbinary], [image], [uniqueidentifier], [date], [time], [datetime], [smalldatetime], [datetime2], [datetimeoffset])
SELECT u.[k0], u.[v0], u.[v1], u.[v2], u.[v3], u.[v4], u.[v5], u.[v6], u.[v7], u.[v8], u.[v9], u.[v10], u.[v11], u.[v12], u.[v13], u.[v14], u.[v15], u.[v16], u.[v17], u.[v18], u.[v19], u.[v20], u.[v21], u.[v22], u.[v23], u.[v24], u.[v25] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bit) AS [v0], CAST(j.[v1] AS tinyint) AS [v1], CAST(j.[v2] AS smallint) AS [v2], CAST(j.[v3] AS bigint) AS [v3], CAST(j.[v4] AS decimal(10,2)) AS [v4], CAST(j.[v5] AS money) AS [v5], CAST(j.[v6] AS smallmoney) AS [v6], CAST(j.[v7] AS real) AS [v7], CAST(j.[v8] AS float) AS [v8], j.[v9] AS [v9], j.[v10] AS [v10], j.[v11] AS [v11], j.[v12] AS [v12], j.[v13] AS [v13], j.[v14] AS [v14], CAST(j.[v15] AS xml) AS [v15], CONVERT(binary(4), j.[v16], 2) AS [v16], CONVERT(varbinary(max), j.[v17], 2) AS [v17], CONVERT(varbinary(max), j.[v18], 2) AS [v18], CAST(j.[v19] AS uniqueidentifier) AS [v19], CAST(j.[v20] AS date) AS [v20], CAST(j.[v21] AS time(3)) AS [v21], CAST(j.[v22] AS datetime) AS [v22], CAST(j.[v23] AS smalldatetime) AS [v23], CAST(j.[v24] AS datetime2(7)) AS [v24], CAST(j.[v25] AS datetimeoffset(7)) AS [v25] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]', [v2] nvarchar(max) '$[4]', [v3] nvarchar(max) '$[5]', [v4] nvarchar(max) '$[6]', [v5] nvarchar(max) '$[7]', [v6] nvarchar(max) '$[8]', [v7] nvarchar(max) '$[9]', [v8] nvarchar(max) '$[10]', [v9] nvarchar(max) '$[11]', [v10] nvarchar(max) '$[12]', [v11] nvarchar(max) '$[13]', [v12] nvarchar(max) '$[14]', [v13] nvarchar(max) '$[15]', [v14] nvarchar(max) '$[16]', [v15] nvarchar(max) '$[17]', [v16] nvarchar(max) '$[18]', [v17] nvarchar(max) '$[19]', [v18] nvarchar(max) '$[20]', [v19] nvarchar(max) '$[21]', [v20] nvarchar(max) '$[22]', [v21] nvarchar(max) '$[23]', [v22] nvarchar(max) '$[24]', [v23] nvarchar(max) '$[25]', [v24] nvarchar(max) '$[26]', [v25] nvarchar(max) '$[27]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[every type] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[numbered] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SET IDENTITY_INSERT [dbo].[every type] OFF;
SELECT @written;
  END
  IF @step_496a3515 = 'update'
  BEGIN
UPDATE b SET [bit] = u.[v0], [tinyint] = u.[v1], [smallint] = u.[v2], [bigint] = u.[v3], [decimal] = u.[v4], [money] = u.[v5], [smallmoney] = u.[v6], [real] = u.[v7], [float] = u.[v8], [char] = u.[v9], [varchar] = u.[v10], [nchar] = u.[v11], [nvarchar] = u.[v12], [text] = u.[v13], [ntext] = u.[v14], [xml] = u.[v15], [binary] = u.[v16], [varbinary] = u.[v17], [image] = u.[v18], [uniqueidentifier] = u.[v19], [date] = u.[v20], [time] = u.[v21], [datetime] = u.[v22], [smalldatetime] = u.[v23], [datetime2] = u.[v24], [datetimeoffset] = u.[v25] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bit) AS [v0], CAST(j.[v1] AS tinyint) AS [v1], CAST(j.[v2] AS smallint) AS [v2], CAST(j.[v3] AS bigint) AS [v3], CAST(j.[v4] AS decimal(10,2)) AS [v4], CAST(j.[v5] AS money) AS [v5], CAST(j.[v6] AS smallmoney) AS [v6], CAST(j.[v7] AS real) AS [v7], CAST(j.[v8] AS float) AS [v8], j.[v9] AS [v9], j.[v10] AS [v10], j.[v11] AS [v11], j.[v12] AS [v12], j.[v13] AS [v13], j.[v14] AS [v14], CAST(j.[v15] AS xml) AS [v15], CONVERT(binary(4), j.[v16], 2) AS [v16], CONVERT(varbinary(max), j.[v17], 2) AS [v17], CONVERT(varbinary(max), j.[v18], 2) AS [v18], CAST(j.[v19] AS uniqueidentifier) AS [v19], CAST(j.[v20] AS date) AS [v20], CAST(j.[v21] AS time(3)) AS [v21], CAST(j.[v22] AS datetime) AS [v22], CAST(j.[v23] AS smalldatetime) AS [v23], CAST(j.[v24] AS datetime2(7)) AS [v24], CAST(j.[v25] AS datetimeoffset(7)) AS [v25] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]', [v2] nvarchar(max) '$[4]', [v3] nvarchar(max) '$[5]', [v4] nvarchar(max) '$[6]', [v5] nvarchar(max) '$[7]', [v6] nvarchar(max) '$[8]', [v7] nvarchar(max) '$[9]', [v8] nvarchar(max) '$[10]', [v9] nvarchar(max) '$[11]', [v10] nvarchar(max) '$[12]', [v11] nvarchar(max) '$[13]', [v12] nvarchar(max) '$[14]', [v13] nvarchar(max) '$[15]', [v14] nvarchar(max) '$[16]', [v15] nvarchar(max) '$[17]', [v16] nvarchar(max) '$[18]', [v17] nvarchar(max) '$[19]', [v18] nvarchar(max) '$[20]', [v19] nvarchar(max) '$[21]', [v20] nvarchar(max) '$[22]', [v21] nvarchar(max) '$[23]', [v22] nvarchar(max) '$[24]', [v23] nvarchar(max) '$[25]', [v24] nvarchar(max) '$[26]', [v25] nvarchar(max) '$[27]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (ROWLOCK) ON b.[numbered] = u.[k0];
SELECT @@ROWCOUNT;
  END
  IF @step_496a3515 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (ROWLOCK) ON b.[numbered] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
-- read changes
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; EXEC [DataSync].[every type_dss_selectchanges] @P1, @P2, @P3, @P4; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- count changes
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT COUNT_BIG(*)
FROM [DataSync].[every type_dss_tracking] AS t
WHERE t.[is_local] = 1 AND t.[row_version] >= @P1 AND (t.[row_version] > @P1 OR t.[local_version] > @P2); SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- measure a chunk
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT b.[numbered] AS [c0], b.[bit] AS [c1], b.[tinyint] AS [c2], b.[smallint] AS [c3], b.[bigint] AS [c4], b.[decimal] AS [c5], CAST(b.[money] AS decimal(19,4)) AS [c6], CAST(b.[smallmoney] AS decimal(19,4)) AS [c7], b.[real] AS [c8], b.[float] AS [c9], CAST(CAST(b.[char] AS nvarchar(10)) AS varbinary(20)) AS [c10], CAST(CAST(b.[varchar] AS nvarchar(max)) AS varbinary(max)) AS [c11], CAST(b.[nchar] AS varbinary(20)) AS [c12], CAST(b.[nvarchar] AS varbinary(max)) AS [c13], CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)) AS [c14], CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) AS [c15], CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)) AS [c16], b.[binary] AS [c17], b.[varbinary] AS [c18], CAST(b.[image] AS varbinary(max)) AS [c19], b.[uniqueidentifier] AS [c20], b.[date] AS [c21], b.[time] AS [c22], b.[datetime] AS [c23], b.[smalldatetime] AS [c24], b.[datetime2] AS [c25], b.[datetimeoffset] AS [c26]
FROM [dbo].[every type] AS b
WHERE 1 = 1
ORDER BY b.[numbered]
OFFSET @P1 ROWS FETCH NEXT 50 ROWS ONLY; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read a chunk
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT b.[numbered] AS [c0], b.[bit] AS [c1], b.[tinyint] AS [c2], b.[smallint] AS [c3], b.[bigint] AS [c4], b.[decimal] AS [c5], CAST(b.[money] AS decimal(19,4)) AS [c6], CAST(b.[smallmoney] AS decimal(19,4)) AS [c7], b.[real] AS [c8], b.[float] AS [c9], CAST(CAST(b.[char] AS nvarchar(10)) AS varbinary(20)) AS [c10], CAST(CAST(b.[varchar] AS nvarchar(max)) AS varbinary(max)) AS [c11], CAST(b.[nchar] AS varbinary(20)) AS [c12], CAST(b.[nvarchar] AS varbinary(max)) AS [c13], CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)) AS [c14], CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) AS [c15], CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)) AS [c16], b.[binary] AS [c17], b.[varbinary] AS [c18], CAST(b.[image] AS varbinary(max)) AS [c19], b.[uniqueidentifier] AS [c20], b.[date] AS [c21], b.[time] AS [c22], b.[datetime] AS [c23], b.[smalldatetime] AS [c24], b.[datetime2] AS [c25], b.[datetimeoffset] AS [c26]
FROM [dbo].[every type] AS b
WHERE b.[numbered] > CAST(@P1 AS int) AND b.[numbered] <= CAST(@P2 AS int) AND NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WHERE t.[numbered] = b.[numbered])
ORDER BY b.[numbered]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- are there rows left
SELECT TOP (1) 1
FROM [dbo].[every type] AS b
WHERE b.[numbered] > CAST(@P1 AS int) AND b.[numbered] <= CAST(@P2 AS int) AND NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WHERE t.[numbered] = b.[numbered])
ORDER BY b.[numbered]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read all rows
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT b.[numbered] AS [c0], b.[bit] AS [c1], b.[tinyint] AS [c2], b.[smallint] AS [c3], b.[bigint] AS [c4], b.[decimal] AS [c5], CAST(b.[money] AS decimal(19,4)) AS [c6], CAST(b.[smallmoney] AS decimal(19,4)) AS [c7], b.[real] AS [c8], b.[float] AS [c9], CAST(CAST(b.[char] AS nvarchar(10)) AS varbinary(20)) AS [c10], CAST(CAST(b.[varchar] AS nvarchar(max)) AS varbinary(max)) AS [c11], CAST(b.[nchar] AS varbinary(20)) AS [c12], CAST(b.[nvarchar] AS varbinary(max)) AS [c13], CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)) AS [c14], CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) AS [c15], CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)) AS [c16], b.[binary] AS [c17], b.[varbinary] AS [c18], CAST(b.[image] AS varbinary(max)) AS [c19], b.[uniqueidentifier] AS [c20], b.[date] AS [c21], b.[time] AS [c22], b.[datetime] AS [c23], b.[smalldatetime] AS [c24], b.[datetime2] AS [c25], b.[datetimeoffset] AS [c26] FROM [dbo].[every type] AS b; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- read rows by key
SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT k.[n], b.[numbered] AS [c0], b.[bit] AS [c1], b.[tinyint] AS [c2], b.[smallint] AS [c3], b.[bigint] AS [c4], b.[decimal] AS [c5], CAST(b.[money] AS decimal(19,4)) AS [c6], CAST(b.[smallmoney] AS decimal(19,4)) AS [c7], b.[real] AS [c8], b.[float] AS [c9], CAST(CAST(b.[char] AS nvarchar(10)) AS varbinary(20)) AS [c10], CAST(CAST(b.[varchar] AS nvarchar(max)) AS varbinary(max)) AS [c11], CAST(b.[nchar] AS varbinary(20)) AS [c12], CAST(b.[nvarchar] AS varbinary(max)) AS [c13], CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)) AS [c14], CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) AS [c15], CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)) AS [c16], b.[binary] AS [c17], b.[varbinary] AS [c18], CAST(b.[image] AS varbinary(max)) AS [c19], b.[uniqueidentifier] AS [c20], b.[date] AS [c21], b.[time] AS [c22], b.[datetime] AS [c23], b.[smalldatetime] AS [c24], b.[datetime2] AS [c25], b.[datetimeoffset] AS [c26]
FROM (VALUES
  (@P1, CAST(@P2 AS int)),
  (@P3, CAST(@P4 AS int))
) AS k ([n], [k1])
INNER JOIN [dbo].[every type] AS b ON b.[numbered] = k.[k1]; SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO
-- write a row by hand
IF EXISTS (SELECT 1 FROM [dbo].[every type] AS b WHERE b.[numbered] = 5)
  UPDATE b SET [bit] = 1, [tinyint] = 5, [smallint] = 5, [bigint] = 1099511627776, [decimal] = -1.5, [money] = -1.5, [smallmoney] = -1.5, [real] = CAST(1.0000000149011612E-1 AS real), [float] = 1E300, [char] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [varchar] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [nchar] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [nvarchar] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [text] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [ntext] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [xml] = (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), [binary] = 0x00ff0000, [varbinary] = 0x00ff, [image] = 0x00ff, [uniqueidentifier] = CAST(N'00000000-0000-0000-0000-000000000007' AS uniqueidentifier), [date] = CAST(N'2024-10-04' AS date), [time] = CAST(N'00:01:00' AS time(3)), [datetime] = CAST(N'1970-01-01T00:01:00' AS datetime), [smalldatetime] = CAST(N'1970-01-01T00:01:00' AS smalldatetime), [datetime2] = CAST(N'1970-01-01T00:01:00' AS datetime2(7)), [datetimeoffset] = CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)) FROM [dbo].[every type] AS b WHERE b.[numbered] = 5;
ELSE
BEGIN
  SET IDENTITY_INSERT [dbo].[every type] ON;
  INSERT INTO [dbo].[every type] ([numbered], [bit], [tinyint], [smallint], [bigint], [decimal], [money], [smallmoney], [real], [float], [char], [varchar], [nchar], [nvarchar], [text], [ntext], [xml], [binary], [varbinary], [image], [uniqueidentifier], [date], [time], [datetime], [smalldatetime], [datetime2], [datetimeoffset]) VALUES (5, 1, 5, 5, 1099511627776, -1.5, -1.5, -1.5, CAST(1.0000000149011612E-1 AS real), 1E300, (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), (CAST(N'' AS nvarchar(max)) + N'it''s' + NCHAR(10) + N'a'), 0x00ff0000, 0x00ff, 0x00ff, CAST(N'00000000-0000-0000-0000-000000000007' AS uniqueidentifier), CAST(N'2024-10-04' AS date), CAST(N'00:01:00' AS time(3)), CAST(N'1970-01-01T00:01:00' AS datetime), CAST(N'1970-01-01T00:01:00' AS smalldatetime), CAST(N'1970-01-01T00:01:00' AS datetime2(7)), CAST(N'1970-01-01T01:30:01+01:30' AS datetimeoffset(7)));
  SET IDENTITY_INSERT [dbo].[every type] OFF;
END
GO
-- delete a row by hand
DELETE b FROM [dbo].[every type] AS b WHERE b.[numbered] = 5;
GO
-- remove
DROP PROCEDURE [DataSync].[every type_dss_apply]
GO
-- remove
DROP PROCEDURE [DataSync].[every type_dss_selectchanges]
GO
-- remove
DROP TRIGGER [dbo].[every type_dss_delete_trigger]
GO
-- remove
DROP TRIGGER [dbo].[every type_dss_update_trigger]
GO
-- remove
DROP TRIGGER [dbo].[every type_dss_insert_trigger]
GO
-- remove
DROP INDEX [every type_dss_changes] ON [DataSync].[every type_dss_tracking]
GO
-- remove
DROP TABLE [DataSync].[every type_dss_tracking]
GO
