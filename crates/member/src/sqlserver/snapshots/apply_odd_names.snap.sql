-- make the procedure
CREATE PROCEDURE [DataSync].[sales.Order Details größe_dss_apply]
  @step_a9be0485 varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @step_a9be0485 = 'read'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7];
  END
  IF @step_a9be0485 = 'parents'
  BEGIN
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (XLOCK, HOLDLOCK, ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7];
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7];
  END
  IF @step_a9be0485 = 'mark'
  BEGIN
DECLARE @marked int = 0;
INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking] ([key_seen], [key_1_length], [a "c" 'd'], [key_2_length], [at], [key_3_offset], [bytes], [key_4_length], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], u.[k1], u.[k2], u.[k3], u.[k4], u.[k5], u.[k6], u.[k7], 0, @P4, u.[seen], @P5 FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]);
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]
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
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation] FROM OPENJSON(@P3) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]', [version] nvarchar(max) '$[6]', [incarnation] nvarchar(max) '$[7]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
  END
  IF @step_a9be0485 = 'insert'
  BEGIN
INSERT INTO [sales].[Order Details größe] ([seen], [a "c" 'd'], [at], [bytes], [{base}])
SELECT u.[k0], u.[k2], u.[k4], u.[k6], u.[v0] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [v0] nvarchar(max) '$[5]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [sales].[Order Details größe] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7]);
DECLARE @written int = @@ROWCOUNT;
SELECT @written;
  END
  IF @step_a9be0485 = 'update'
  BEGIN
UPDATE b SET [{base}] = u.[v0] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [v0] nvarchar(max) '$[5]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7];
SELECT @@ROWCOUNT;
  END
  IF @step_a9be0485 = 'delete'
  BEGIN
DELETE b FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7];
SELECT @@ROWCOUNT;
  END
END
GO
-- lock rows
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'read', @P1 = @P1
GO
-- lock rows that others may refer to
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'parents', @P1 = @P1
GO
-- read tracking rows
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]
GO
-- compare keys with the first scan's
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7] CROSS JOIN (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS c
WHERE (b.[seen] < c.[k0] COLLATE Latin1_General_100_CI_AS OR (b.[seen] = c.[k0] COLLATE Latin1_General_100_CI_AS AND ((b.[a "c" 'd'] < c.[k2] COLLATE Cyrillic_General_CI_AS OR (b.[a "c" 'd'] = c.[k2] COLLATE Cyrillic_General_CI_AS AND ((b.[at] < c.[k4] OR (b.[at] = c.[k4] AND (b.[bytes] <= c.[k6])))))))))
GO
-- track rows that the first scan may not have seen
INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking]
  ([key_seen], [key_1_length], [a "c" 'd'], [key_2_length], [at], [key_3_offset], [bytes], [key_4_length], [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], u.[k1], u.[k2], u.[k3], u.[k4], u.[k5], u.[k6], u.[k7], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'first_scan', 0, @P3 FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7])
GO
-- mark cells
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'mark', @P1 = @P1, @P2 = @P2, @P3 = @P3, @P4 = @P4, @P5 = @P5
GO
-- which are not marked
SELECT u.[place] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK) WHERE t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7] AND t.[apply_batch] = @P2)
ORDER BY u.[place]
GO
-- read rows
SELECT u.[place], CAST(b.[seen] AS varbinary(40)), CAST(CAST(b.[a "c" 'd'] AS nvarchar(10)) AS varbinary(20)), b.[at], b.[bytes], b.[{base}] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [sales].[Order Details größe] AS b WITH (UPDLOCK, ROWLOCK) ON b.[seen] = u.[k0] COLLATE Latin1_General_100_CI_AS AND b.[seen] COLLATE Latin1_General_100_BIN2 = u.[k0] AND DATALENGTH(b.[seen]) = u.[k1] AND b.[a "c" 'd'] = u.[k2] COLLATE Cyrillic_General_CI_AS AND b.[a "c" 'd'] COLLATE Cyrillic_General_BIN2 = u.[k2] AND DATALENGTH(b.[a "c" 'd']) = u.[k3] AND b.[at] = u.[k4] AND DATEPART(TZOFFSET, b.[at]) = u.[k5] AND b.[bytes] = u.[k6] AND DATALENGTH(b.[bytes]) = u.[k7]
GO
-- insert rows
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'insert', @P1 = @P1
GO
-- update rows
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'update', @P1 = @P1
GO
-- delete rows
EXEC [DataSync].[sales.Order Details größe_dss_apply] @step_a9be0485 = 'delete', @P1 = @P1
GO
-- forget marks
DELETE t FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7] WHERE t.[apply_batch] = @P2
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
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen], CAST(j.[tombstone] AS bit) AS [tombstone], CAST(j.[batch] AS bigint) AS [batch], CAST(j.[version] AS bigint) AS [version], CAST(j.[incarnation] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [incarnation], CONVERT(datetime2(7), j.[changed_at], 126) AS [changed_at], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], CAST(j.[inside_apply] AS bit) AS [inside_apply] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]', [tombstone] nvarchar(max) '$[6]', [batch] nvarchar(max) '$[7]', [version] nvarchar(max) '$[8]', [incarnation] nvarchar(max) '$[9]', [changed_at] nvarchar(max) '$[10]', [kind] nvarchar(max) '$[11]', [inside_apply] nvarchar(max) '$[12]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]
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
FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7];
INSERT INTO [DataSync].[sales.Order Details größe_dss_tracking]
  ([key_seen], [key_1_length], [a "c" 'd'], [key_2_length], [at], [key_3_offset], [bytes], [key_4_length], [local_version], [local_incarnation], [is_local], [changed_at], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], u.[k1], u.[k2], u.[k3], u.[k4], u.[k5], u.[k6], u.[k7], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, SYSUTCDATETIME(), 'restored', 0, u.[seen] FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[seen] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [seen] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [seen] nvarchar(max) '$[5]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]);
GO
-- forget tombstones
DELETE t FROM (SELECT j.[place], CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20)) AS [k0], DATALENGTH(CAST(j.[key0] COLLATE Latin1_General_100_BIN2 AS nvarchar(20))) AS [k1], CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10)) AS [k2], DATALENGTH(CAST(j.[key1] COLLATE Cyrillic_General_BIN2 AS varchar(10))) AS [k3], CAST(j.[key2] AS datetimeoffset(7)) AS [k4], DATEPART(TZOFFSET, CAST(j.[key2] AS datetimeoffset(7))) AS [k5], CONVERT(varbinary(16), j.[key3], 2) AS [k6], DATALENGTH(CONVERT(varbinary(16), j.[key3], 2)) AS [k7], CAST(j.[version] AS bigint) AS [version] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [key1] nvarchar(max) '$[2]', [key2] nvarchar(max) '$[3]', [key3] nvarchar(max) '$[4]', [version] nvarchar(max) '$[5]') AS j) AS u INNER LOOP JOIN [DataSync].[sales.Order Details größe_dss_tracking] AS t WITH (ROWLOCK) ON t.[key_seen] = u.[k0] AND t.[key_1_length] = u.[k1] AND t.[a "c" 'd'] = u.[k2] AND t.[key_2_length] = u.[k3] AND t.[at] = u.[k4] AND t.[key_3_offset] = u.[k5] AND t.[bytes] = u.[k6] AND t.[key_4_length] = u.[k7]
WHERE t.[is_tombstone] = 1 AND ISNULL(t.[local_version], -1) = ISNULL(u.[version], -1)
GO
