-- make the procedure
CREATE PROCEDURE [DataSync].[key_dss_apply]
  @step_32400299 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_32400299 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_32400299 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_32400299 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[key_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_32400299 = 'insert'
  BEGIN
INSERT INTO [dbo].[key] ([id])
SELECT u.[k0] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[key] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[id] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_32400299 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
-- lock rows
EXEC [DataSync].[key_dss_apply] @step_32400299 = 'read', @P1 = @P1
GO
-- lock rows that others may refer to
EXEC [DataSync].[key_dss_apply] @step_32400299 = 'parents', @P1 = @P1
GO
-- read tracking rows
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0]
GO
-- compare keys with the first scan's
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b ON b.[id] = u.[k0] CROSS JOIN (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS c
WHERE b.[id] <= c.[k0]
GO
-- track rows that the first scan may not have seen
INSERT INTO [DataSync].[key_dss_tracking]
  ([id], [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'first_scan', 0, @P3 FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0])
GO
-- mark cells
EXEC [DataSync].[key_dss_apply] @step_32400299 = 'mark', @P1 = @P1, @P2 = @P2, @P3 = @P3, @P4 = @P4, @P5 = @P5
GO
-- which are not marked
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK) WHERE t.[id] = u.[k0] AND t.[apply_batch] = @P2)
ORDER BY u.[place]
GO
-- read rows
SELECT u.[place], b.[id] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[key] AS b WITH (UPDLOCK, ROWLOCK) ON b.[id] = u.[k0]
GO
-- insert rows
EXEC [DataSync].[key_dss_apply] @step_32400299 = 'insert', @P1 = @P1
GO
-- delete rows
EXEC [DataSync].[key_dss_apply] @step_32400299 = 'delete', @P1 = @P1
GO
-- forget marks
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0] WHERE t.[apply_batch] = @P2
GO
-- put tracking rows back
UPDATE t SET
  [is_tombstone] = u.[tombstone],
  [seen] = u.[seen],
  [apply_batch] = u.[batch],
  [local_version] = u.[version],
  [is_local] = CASE WHEN u.[version] IS NULL THEN 0 ELSE 1 END,
  [local_incarnation] = u.[incarnation],
  [changed_at] = u.[changed_at],
  [change_kind] = u.[kind],
  [inside_apply] = u.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[tombstone] AS bit) AS [tombstone], CAST(j.[batch] AS bigint) AS [batch], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation], CONVERT(datetime2(7), j.[changed_at], 126) AS [changed_at], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], CAST(j.[inside_apply] AS bit) AS [inside_apply] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [tombstone] nvarchar(max) '$[3]', [batch] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]', [incarnation] nvarchar(max) '$[6]', [changed_at] nvarchar(max) '$[7]', [kind] nvarchar(max) '$[8]', [inside_apply] nvarchar(max) '$[9]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[apply_batch] = @P2
GO
-- restore rows
UPDATE t SET
  [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
  [local_incarnation] = NULLIF(@P2, ''),
  [is_local] = 1,
  [changed_at] = SYSUTCDATETIME(),
  [change_kind] = 'restored',
  [inside_apply] = NULL,
  [is_tombstone] = 0,
  [seen] = u.[seen],
  [apply_batch] = NULL
FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0];
INSERT INTO [DataSync].[key_dss_tracking]
  ([id], [local_version], [local_incarnation], [is_local], [changed_at], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, SYSUTCDATETIME(), 'restored', 0, u.[seen] FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[key_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
GO
-- forget tombstones
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS uniqueidentifier) AS [k0], CAST(j.[version] AS bigint) AS [version] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [version] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[key_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[is_tombstone] = 1 AND ISNULL(t.[local_version], -1) = ISNULL(u.[version], -1)
GO
