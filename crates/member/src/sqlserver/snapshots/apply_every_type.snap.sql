-- make the procedure
CREATE PROCEDURE [DataSync].[every type_dss_apply]
  @step_8965fba6 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_8965fba6 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_8965fba6 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_8965fba6 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[every type_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[every type_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[every type_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_8965fba6 = 'insert'
  BEGIN
INSERT INTO [dbo].[every type] ([id], [bit], [tinyint], [smallint], [bigint], [decimal(10,2)], [money], [smallmoney], [real], [float], [xml], [binary(4)], [varbinary(max)], [image], [uniqueidentifier], [date], [time(3)], [datetime], [smalldatetime], [datetime2(7)], [datetimeoffset(7)], [char(10)], [varchar(8000)], [nchar(10)], [nvarchar(max)], [text], [ntext])
SELECT u.[k0], u.[v0], u.[v1], u.[v2], u.[v3], u.[v4], u.[v5], u.[v6], u.[v7], u.[v8], u.[v9], u.[v10], u.[v11], u.[v12], u.[v13], u.[v14], u.[v15], u.[v16], u.[v17], u.[v18], u.[v19], u.[v20], u.[v21], u.[v22], u.[v23], u.[v24], u.[v25] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bit) AS [v0], CAST(j.[v1] AS tinyint) AS [v1], CAST(j.[v2] AS smallint) AS [v2], CAST(j.[v3] AS bigint) AS [v3], CAST(j.[v4] AS decimal(10,2)) AS [v4], CAST(j.[v5] AS money) AS [v5], CAST(j.[v6] AS smallmoney) AS [v6], CAST(j.[v7] AS real) AS [v7], CAST(j.[v8] AS float) AS [v8], CAST(j.[v9] AS xml) AS [v9], CONVERT(binary(4), j.[v10], 2) AS [v10], CONVERT(varbinary(max), j.[v11], 2) AS [v11], CONVERT(varbinary(max), j.[v12], 2) AS [v12], CAST(j.[v13] AS uniqueidentifier) AS [v13], CAST(j.[v14] AS date) AS [v14], CAST(j.[v15] AS time(3)) AS [v15], CAST(j.[v16] AS datetime) AS [v16], CAST(j.[v17] AS smalldatetime) AS [v17], CAST(j.[v18] AS datetime2(7)) AS [v18], CAST(j.[v19] AS datetimeoffset(7)) AS [v19], j.[v20] AS [v20], j.[v21] AS [v21], j.[v22] AS [v22], j.[v23] AS [v23], j.[v24] AS [v24], j.[v25] AS [v25] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]', [v2] nvarchar(max) '$[4]', [v3] nvarchar(max) '$[5]', [v4] nvarchar(max) '$[6]', [v5] nvarchar(max) '$[7]', [v6] nvarchar(max) '$[8]', [v7] nvarchar(max) '$[9]', [v8] nvarchar(max) '$[10]', [v9] nvarchar(max) '$[11]', [v10] nvarchar(max) '$[12]', [v11] nvarchar(max) '$[13]', [v12] nvarchar(max) '$[14]', [v13] nvarchar(max) '$[15]', [v14] nvarchar(max) '$[16]', [v15] nvarchar(max) '$[17]', [v16] nvarchar(max) '$[18]', [v17] nvarchar(max) '$[19]', [v18] nvarchar(max) '$[20]', [v19] nvarchar(max) '$[21]', [v20] nvarchar(max) '$[22]', [v21] nvarchar(max) '$[23]', [v22] nvarchar(max) '$[24]', [v23] nvarchar(max) '$[25]', [v24] nvarchar(max) '$[26]', [v25] nvarchar(max) '$[27]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[every type] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[id] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_8965fba6 = 'update'
  BEGIN
UPDATE b SET [bit] = u.[v0], [tinyint] = u.[v1], [smallint] = u.[v2], [bigint] = u.[v3], [decimal(10,2)] = u.[v4], [money] = u.[v5], [smallmoney] = u.[v6], [real] = u.[v7], [float] = u.[v8], [xml] = u.[v9], [binary(4)] = u.[v10], [varbinary(max)] = u.[v11], [image] = u.[v12], [uniqueidentifier] = u.[v13], [date] = u.[v14], [time(3)] = u.[v15], [datetime] = u.[v16], [smalldatetime] = u.[v17], [datetime2(7)] = u.[v18], [datetimeoffset(7)] = u.[v19], [char(10)] = u.[v20], [varchar(8000)] = u.[v21], [nchar(10)] = u.[v22], [nvarchar(max)] = u.[v23], [text] = u.[v24], [ntext] = u.[v25] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bit) AS [v0], CAST(j.[v1] AS tinyint) AS [v1], CAST(j.[v2] AS smallint) AS [v2], CAST(j.[v3] AS bigint) AS [v3], CAST(j.[v4] AS decimal(10,2)) AS [v4], CAST(j.[v5] AS money) AS [v5], CAST(j.[v6] AS smallmoney) AS [v6], CAST(j.[v7] AS real) AS [v7], CAST(j.[v8] AS float) AS [v8], CAST(j.[v9] AS xml) AS [v9], CONVERT(binary(4), j.[v10], 2) AS [v10], CONVERT(varbinary(max), j.[v11], 2) AS [v11], CONVERT(varbinary(max), j.[v12], 2) AS [v12], CAST(j.[v13] AS uniqueidentifier) AS [v13], CAST(j.[v14] AS date) AS [v14], CAST(j.[v15] AS time(3)) AS [v15], CAST(j.[v16] AS datetime) AS [v16], CAST(j.[v17] AS smalldatetime) AS [v17], CAST(j.[v18] AS datetime2(7)) AS [v18], CAST(j.[v19] AS datetimeoffset(7)) AS [v19], j.[v20] AS [v20], j.[v21] AS [v21], j.[v22] AS [v22], j.[v23] AS [v23], j.[v24] AS [v24], j.[v25] AS [v25] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]', [v2] nvarchar(max) '$[4]', [v3] nvarchar(max) '$[5]', [v4] nvarchar(max) '$[6]', [v5] nvarchar(max) '$[7]', [v6] nvarchar(max) '$[8]', [v7] nvarchar(max) '$[9]', [v8] nvarchar(max) '$[10]', [v9] nvarchar(max) '$[11]', [v10] nvarchar(max) '$[12]', [v11] nvarchar(max) '$[13]', [v12] nvarchar(max) '$[14]', [v13] nvarchar(max) '$[15]', [v14] nvarchar(max) '$[16]', [v15] nvarchar(max) '$[17]', [v16] nvarchar(max) '$[18]', [v17] nvarchar(max) '$[19]', [v18] nvarchar(max) '$[20]', [v19] nvarchar(max) '$[21]', [v20] nvarchar(max) '$[22]', [v21] nvarchar(max) '$[23]', [v22] nvarchar(max) '$[24]', [v23] nvarchar(max) '$[25]', [v24] nvarchar(max) '$[26]', [v25] nvarchar(max) '$[27]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
  IF @step_8965fba6 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
-- read rows
SELECT u.[place], b.[id], b.[bit], b.[tinyint], b.[smallint], b.[bigint], b.[decimal(10,2)], CAST(b.[money] AS decimal(19,4)), CAST(b.[smallmoney] AS decimal(19,4)), b.[real], b.[float], CAST(CAST(b.[xml] AS nvarchar(max)) AS varbinary(max)), b.[binary(4)], b.[varbinary(max)], CAST(b.[image] AS varbinary(max)), b.[uniqueidentifier], b.[date], b.[time(3)], b.[datetime], b.[smalldatetime], b.[datetime2(7)], b.[datetimeoffset(7)], CAST(CAST(b.[char(10)] AS nvarchar(10)) AS varbinary(20)), CAST(CAST(b.[varchar(8000)] AS nvarchar(max)) AS varbinary(max)), CAST(b.[nchar(10)] AS varbinary(20)), CAST(b.[nvarchar(max)] AS varbinary(max)), CAST(CAST(b.[text] AS nvarchar(max)) AS varbinary(max)), CAST(CAST(b.[ntext] AS nvarchar(max)) AS varbinary(max)) FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[every type] AS b WITH (UPDLOCK, ROWLOCK) ON b.[id] = u.[k0]
GO
