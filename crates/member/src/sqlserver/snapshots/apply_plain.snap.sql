-- make the procedure
CREATE PROCEDURE [DataSync].[item_dss_apply]
  @step_27ea35bb varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_27ea35bb = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_27ea35bb = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0];
  END
  IF @step_27ea35bb = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[item_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_27ea35bb = 'insert'
  BEGIN
INSERT INTO [dbo].[item] ([id], [code], [name])
SELECT u.[k0], u.[v0], u.[v1] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[v0] AS [v0], j.[v1] AS [v1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[item] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[id] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_27ea35bb = 'update'
  BEGIN
UPDATE b SET [code] = u.[v0], [name] = u.[v1] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[v0] AS [v0], j.[v1] AS [v1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
  IF @step_27ea35bb = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
-- lock rows
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'read', @P1 = @P1
GO
-- lock rows that others may refer to
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'parents', @P1 = @P1
GO
-- read tracking rows
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[id] = u.[k0]
GO
-- compare keys with the first scan's
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b ON b.[id] = u.[k0] CROSS JOIN (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS c
WHERE b.[id] <= c.[k0]
GO
-- track rows that the first scan may not have seen
INSERT INTO [DataSync].[item_dss_tracking]
  ([id], [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'first_scan', 0, @P3 FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0])
GO
-- mark cells
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'mark', @P1 = @P1, @P2 = @P2, @P3 = @P3, @P4 = @P4, @P5 = @P5
GO
-- which are not marked
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK) WHERE t.[id] = u.[k0] AND t.[apply_batch] = @P2)
ORDER BY u.[place]
GO
-- read rows
SELECT u.[place], b.[id], CAST(CAST(b.[code] AS nvarchar(20)) AS varbinary(40)), CAST(b.[name] AS varbinary(200)) FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (UPDLOCK, ROWLOCK) ON b.[id] = u.[k0]
GO
-- insert rows
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'insert', @P1 = @P1
GO
-- update rows
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'update', @P1 = @P1
GO
-- delete rows
EXEC [DataSync].[item_dss_apply] @step_27ea35bb = 'delete', @P1 = @P1
GO
-- who has unique values
SELECT u.[place], b.[id] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[w0] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(20)) AS [w0], CAST(j.[w1] COLLATE Latin1_General_100_CI_AS AS nvarchar(100)) AS [w1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [w0] nvarchar(max) '$[2]', [w1] nvarchar(max) '$[3]') AS j) AS u INNER JOIN [dbo].[item] AS b WITH (UPDLOCK, ROWLOCK) ON b.[code] = u.[w0] AND b.[name] = u.[w1]
WHERE NOT (b.[id] = u.[k0])
GO
-- move unique values
UPDATE b SET [code] = u.[value] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[value] AS [value] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [value] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
GO
-- move unique values
UPDATE b SET [name] = u.[value] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[value] AS [value] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [value] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0];
SELECT @@ROWCOUNT;
GO
-- forget marks
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0] WHERE t.[apply_batch] = @P2
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
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[tombstone] AS bit) AS [tombstone], CAST(j.[batch] AS bigint) AS [batch], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation], CONVERT(datetime2(7), j.[changed_at], 126) AS [changed_at], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], CAST(j.[inside_apply] AS bit) AS [inside_apply] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [tombstone] nvarchar(max) '$[3]', [batch] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]', [incarnation] nvarchar(max) '$[6]', [changed_at] nvarchar(max) '$[7]', [kind] nvarchar(max) '$[8]', [inside_apply] nvarchar(max) '$[9]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0];
INSERT INTO [DataSync].[item_dss_tracking]
  ([id], [local_version], [local_incarnation], [is_local], [changed_at], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, SYSUTCDATETIME(), 'restored', 0, u.[seen] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
GO
-- forget tombstones
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[version] AS bigint) AS [version] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [version] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[is_tombstone] = 1 AND ISNULL(t.[local_version], -1) = ISNULL(u.[version], -1)
GO
-- make the procedure
CREATE PROCEDURE [DataSync].[line_dss_apply]
  @step_dcd61684 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_dcd61684 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[numbered] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[numbered] = u.[k0];
  END
  IF @step_dcd61684 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[numbered] = u.[k0];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[numbered] = u.[k0];
  END
  IF @step_dcd61684 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[line_dss_tracking] ([numbered], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[numbered] = u.[k0]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [version] nvarchar(max) '$[3]', [incarnation] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_dcd61684 = 'insert'
  BEGIN
SET IDENTITY_INSERT [dbo].[line] ON;
INSERT INTO [dbo].[line] ([numbered], [item], [note])
SELECT u.[k0], u.[v0], u.[v1] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bigint) AS [v0], j.[v1] AS [v1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[line] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[numbered] = u.[k0]);
DECLARE @written int = @@ROWCOUNT;
SET IDENTITY_INSERT [dbo].[line] OFF;
SELECT @written;
  END
  IF @step_dcd61684 = 'update'
  BEGIN
UPDATE b SET [item] = u.[v0], [note] = u.[v1] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[v0] AS bigint) AS [v0], j.[v1] AS [v1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (ROWLOCK) ON b.[numbered] = u.[k0];
SELECT @@ROWCOUNT;
  END
  IF @step_dcd61684 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (ROWLOCK) ON b.[numbered] = u.[k0];
SELECT @@ROWCOUNT;
  END
END
GO
-- lock rows
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'read', @P1 = @P1
GO
-- lock rows that others may refer to
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'parents', @P1 = @P1
GO
-- read tracking rows
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[numbered] = u.[k0]
GO
-- compare keys with the first scan's
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b ON b.[numbered] = u.[k0] CROSS JOIN (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS c
WHERE b.[numbered] <= c.[k0]
GO
-- track rows that the first scan may not have seen
INSERT INTO [DataSync].[line_dss_tracking]
  ([numbered], [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'first_scan', 0, @P3 FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[numbered] = u.[k0])
GO
-- mark cells
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'mark', @P1 = @P1, @P2 = @P2, @P3 = @P3, @P4 = @P4, @P5 = @P5
GO
-- which are not marked
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK) WHERE t.[numbered] = u.[k0] AND t.[apply_batch] = @P2)
ORDER BY u.[place]
GO
-- read rows
SELECT u.[place], b.[numbered], b.[item], CAST(CAST(b.[note] AS nvarchar(max)) AS varbinary(max)) FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (UPDLOCK, ROWLOCK) ON b.[numbered] = u.[k0]
GO
-- insert rows
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'insert', @P1 = @P1
GO
-- update rows
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'update', @P1 = @P1
GO
-- delete rows
EXEC [DataSync].[line_dss_apply] @step_dcd61684 = 'delete', @P1 = @P1
GO
-- after an insert that failed
SET IDENTITY_INSERT [dbo].[line] OFF
GO
-- forget marks
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0] WHERE t.[apply_batch] = @P2
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[tombstone] AS bit) AS [tombstone], CAST(j.[batch] AS bigint) AS [batch], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation], CONVERT(datetime2(7), j.[changed_at], 126) AS [changed_at], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], CAST(j.[inside_apply] AS bit) AS [inside_apply] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [tombstone] nvarchar(max) '$[3]', [batch] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]', [incarnation] nvarchar(max) '$[6]', [changed_at] nvarchar(max) '$[7]', [kind] nvarchar(max) '$[8]', [inside_apply] nvarchar(max) '$[9]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
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
FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0];
INSERT INTO [DataSync].[line_dss_tracking]
  ([numbered], [local_version], [local_incarnation], [is_local], [changed_at], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, SYSUTCDATETIME(), 'restored', 0, u.[seen] FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[line_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[numbered] = u.[k0]);
GO
-- forget tombstones
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0], CAST(j.[version] AS bigint) AS [version] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [version] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [DataSync].[line_dss_tracking] AS t WITH (ROWLOCK) ON t.[numbered] = u.[k0]
WHERE t.[is_tombstone] = 1 AND ISNULL(t.[local_version], -1) = ISNULL(u.[version], -1)
GO
-- rows that refer to others
SELECT u.[place], c.* FROM (SELECT j.[place], CAST(j.[r0] AS bigint) AS [r0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [r0] nvarchar(max) '$[1]') AS j) AS u CROSS APPLY (
  SELECT TOP (@P2) c.[numbered] AS [c0] FROM [dbo].[line] AS c WITH (READCOMMITTEDLOCK, HOLDLOCK) WHERE c.[item] = u.[r0]
) AS c
GO
-- values by which others refer to rows
SELECT u.[place], b.[id] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (UPDLOCK, ROWLOCK) ON b.[id] = u.[k0]
GO
-- parents that are missing
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[r0] AS bigint) AS [r0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [r0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [dbo].[item] AS p WITH (READCOMMITTEDLOCK) WHERE p.[id] = u.[r0])
GO
-- refer to nothing for the moment
UPDATE b SET [item] = NULL FROM (SELECT j.[place], CAST(j.[key0] AS int) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[line] AS b WITH (ROWLOCK) ON b.[numbered] = u.[k0];
SELECT @@ROWCOUNT;
GO
