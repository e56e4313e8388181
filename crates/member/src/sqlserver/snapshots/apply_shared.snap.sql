-- begin
DECLARE @batch bigint = NEXT VALUE FOR [DataSync].[dss_batch];
EXEC sys.sp_set_session_context @key = N'dss_apply', @value = @batch;
BEGIN TRANSACTION;
SELECT @batch;
GO
-- end
SET XACT_ABORT ON;
EXEC sys.sp_set_session_context @key = N'dss_apply', @value = NULL;
GO
-- look
SELECT 1, u.[place], o.[next_offset], o.[log_id]
FROM (SELECT j.[place], j.[topic] COLLATE Latin1_General_100_BIN2 AS [topic], CAST(j.[generation] AS bigint) AS [generation], CAST(j.[partition] AS bigint) AS [partition] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [topic] nvarchar(max) '$[1]', [generation] nvarchar(max) '$[2]', [partition] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_offsets] AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK)
  ON o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
UNION ALL
SELECT 2, u.[place], NULL, NULL FROM (SELECT j.[place], j.[table_name] COLLATE Latin1_General_100_BIN2 AS [table_name] FROM OPENJSON(@P2) WITH ([place] int '$[0]', [table_name] nvarchar(max) '$[1]') AS j) AS u
WHERE EXISTS (
  SELECT 1 FROM [DataSync].[dss_exceptions] AS e WHERE e.[parked_at] = 'apply' AND e.[table_name] = u.[table_name]
)
UNION ALL
SELECT 3, 0, NULL, NULL
WHERE EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] AS e WHERE e.[waits_for] IS NOT NULL)
GO
-- move offsets
DECLARE @moved int = 0;
UPDATE o SET [next_offset] = u.[next]
FROM (SELECT j.[place], j.[topic] COLLATE Latin1_General_100_BIN2 AS [topic], CAST(j.[generation] AS bigint) AS [generation], CAST(j.[partition] AS bigint) AS [partition], CAST(j.[expected] AS bigint) AS [expected], CAST(j.[next] AS bigint) AS [next] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [topic] nvarchar(max) '$[1]', [generation] nvarchar(max) '$[2]', [partition] nvarchar(max) '$[3]', [expected] nvarchar(max) '$[4]', [next] nvarchar(max) '$[5]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_offsets] AS o WITH (ROWLOCK)
  ON o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
WHERE o.[log_id] = @P2 AND o.[next_offset] = u.[expected];
SET @moved = @moved + @@ROWCOUNT;
INSERT INTO [DataSync].[dss_offsets] ([topic], [generation], [partition], [next_offset], [log_id])
SELECT u.[topic], u.[generation], u.[partition], u.[next], @P2 FROM (SELECT j.[place], j.[topic] COLLATE Latin1_General_100_BIN2 AS [topic], CAST(j.[generation] AS bigint) AS [generation], CAST(j.[partition] AS bigint) AS [partition], CAST(j.[expected] AS bigint) AS [expected], CAST(j.[next] AS bigint) AS [next] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [topic] nvarchar(max) '$[1]', [generation] nvarchar(max) '$[2]', [partition] nvarchar(max) '$[3]', [expected] nvarchar(max) '$[4]', [next] nvarchar(max) '$[5]') AS j) AS u
WHERE u.[expected] IS NULL AND NOT EXISTS (
  SELECT 1 FROM [DataSync].[dss_offsets] AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK)
  WHERE o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
);
SET @moved = @moved + @@ROWCOUNT;
SELECT @moved;
GO
-- list offsets
SELECT [topic], [generation], [partition], [next_offset], [log_id] FROM [DataSync].[dss_offsets]
ORDER BY [topic], [generation], [partition]
GO
-- the first scan's claim
SELECT [scan_claim] FROM [DataSync].[dss_tables] WHERE [table_name] = @P1
GO
-- tables that have foreign keys
SELECT CAST(f.[parent_object_id] AS bigint) FROM sys.foreign_keys AS f WHERE f.[is_disabled] = 0
UNION
SELECT CAST(f.[referenced_object_id] AS bigint) FROM sys.foreign_keys AS f WHERE f.[is_disabled] = 0
GO
-- synchronised tables
SELECT [local_schema], [local_table] FROM [DataSync].[dss_tables]
GO
-- find parked records
SELECT u.[place], e.[id], e.[generation], e.[log_offset], e.[code], e.[attempts], e.[first_at], e.[waits_for]
FROM (SELECT j.[place], CONVERT(binary(16), j.[row_hash], 2) AS [row_hash] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [row_hash] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, ROWLOCK) ON e.[row_hash] = u.[row_hash]
GO
-- park
UPDATE e SET
  [vv] = u.[vv],
  [generation] = u.[generation],
  [partition] = u.[partition],
  [log_offset] = u.[log_offset],
  [kind] = u.[kind],
  [code] = u.[code],
  [message] = u.[message],
  [attempts] = u.[attempts],
  [first_at] = u.[first_at],
  [last_at] = u.[last_at],
  [due_at] = u.[due_at],
  [waits_for] = u.[waits_for],
  [payload] = u.[payload]
FROM (SELECT j.[place], CONVERT(binary(16), j.[row_hash], 2) AS [row_hash], j.[table_name] COLLATE Latin1_General_100_BIN2 AS [table_name], CONVERT(varbinary(max), j.[key], 2) AS [key], j.[key_text] COLLATE Latin1_General_100_BIN2 AS [key_text], CAST(j.[vv] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [vv], CAST(j.[generation] AS bigint) AS [generation], CAST(j.[partition] AS bigint) AS [partition], CAST(j.[log_offset] AS bigint) AS [log_offset], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], j.[code] COLLATE Latin1_General_100_BIN2 AS [code], j.[message] COLLATE Latin1_General_100_BIN2 AS [message], CAST(j.[attempts] AS bigint) AS [attempts], CAST(j.[first_at] AS bigint) AS [first_at], CAST(j.[last_at] AS bigint) AS [last_at], CAST(j.[due_at] AS bigint) AS [due_at], CONVERT(binary(16), j.[waits_for], 2) AS [waits_for], CONVERT(varbinary(max), j.[payload], 2) AS [payload] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [row_hash] nvarchar(max) '$[1]', [table_name] nvarchar(max) '$[2]', [key] nvarchar(max) '$[3]', [key_text] nvarchar(max) '$[4]', [vv] nvarchar(max) '$[5]', [generation] nvarchar(max) '$[6]', [partition] nvarchar(max) '$[7]', [log_offset] nvarchar(max) '$[8]', [kind] nvarchar(max) '$[9]', [code] nvarchar(max) '$[10]', [message] nvarchar(max) '$[11]', [attempts] nvarchar(max) '$[12]', [first_at] nvarchar(max) '$[13]', [last_at] nvarchar(max) '$[14]', [due_at] nvarchar(max) '$[15]', [waits_for] nvarchar(max) '$[16]', [payload] nvarchar(max) '$[17]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[row_hash] = u.[row_hash];
INSERT INTO [DataSync].[dss_exceptions]
  ([row_hash], [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind],
   [code], [message], [attempts], [first_at], [last_at], [due_at], [waits_for], [payload])
SELECT u.[row_hash], 'apply', u.[table_name], u.[key], u.[key_text], u.[vv], u.[generation], u.[partition],
  u.[log_offset], u.[kind], u.[code], u.[message], u.[attempts], u.[first_at], u.[last_at], u.[due_at],
  u.[waits_for], u.[payload]
FROM (SELECT j.[place], CONVERT(binary(16), j.[row_hash], 2) AS [row_hash], j.[table_name] COLLATE Latin1_General_100_BIN2 AS [table_name], CONVERT(varbinary(max), j.[key], 2) AS [key], j.[key_text] COLLATE Latin1_General_100_BIN2 AS [key_text], CAST(j.[vv] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [vv], CAST(j.[generation] AS bigint) AS [generation], CAST(j.[partition] AS bigint) AS [partition], CAST(j.[log_offset] AS bigint) AS [log_offset], CAST(j.[kind] COLLATE Latin1_General_BIN2 AS varchar(max)) AS [kind], j.[code] COLLATE Latin1_General_100_BIN2 AS [code], j.[message] COLLATE Latin1_General_100_BIN2 AS [message], CAST(j.[attempts] AS bigint) AS [attempts], CAST(j.[first_at] AS bigint) AS [first_at], CAST(j.[last_at] AS bigint) AS [last_at], CAST(j.[due_at] AS bigint) AS [due_at], CONVERT(binary(16), j.[waits_for], 2) AS [waits_for], CONVERT(varbinary(max), j.[payload], 2) AS [payload] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [row_hash] nvarchar(max) '$[1]', [table_name] nvarchar(max) '$[2]', [key] nvarchar(max) '$[3]', [key_text] nvarchar(max) '$[4]', [vv] nvarchar(max) '$[5]', [generation] nvarchar(max) '$[6]', [partition] nvarchar(max) '$[7]', [log_offset] nvarchar(max) '$[8]', [kind] nvarchar(max) '$[9]', [code] nvarchar(max) '$[10]', [message] nvarchar(max) '$[11]', [attempts] nvarchar(max) '$[12]', [first_at] nvarchar(max) '$[13]', [last_at] nvarchar(max) '$[14]', [due_at] nvarchar(max) '$[15]', [waits_for] nvarchar(max) '$[16]', [payload] nvarchar(max) '$[17]') AS j) AS u
WHERE NOT EXISTS (
  SELECT 1 FROM [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE e.[row_hash] = u.[row_hash]
);
GO
-- a long payload
UPDATE [DataSync].[dss_exceptions] SET [payload] = @P2 WHERE [row_hash] = @P1
GO
-- remove parked records
DELETE e FROM (SELECT j.[place], CAST(j.[id] AS bigint) AS [id] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [id] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = u.[id]
GO
-- postpone parked records
UPDATE e SET [attempts] = u.[attempts], [last_at] = @P2, [due_at] = u.[due_at]
FROM (SELECT j.[place], CAST(j.[id] AS bigint) AS [id], CAST(j.[attempts] AS bigint) AS [attempts], CAST(j.[due_at] AS bigint) AS [due_at] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [id] nvarchar(max) '$[1]', [attempts] nvarchar(max) '$[2]', [due_at] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = u.[id]
GO
-- make parked records due
DECLARE @woken TABLE ([id] bigint NOT NULL PRIMARY KEY);
INSERT INTO @woken ([id])
SELECT TOP (@P3) e.[id]
FROM [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, ROWLOCK)
WHERE e.[due_at] > @P2 AND e.[waits_for] IN (SELECT u.[token] FROM (SELECT j.[place], CONVERT(binary(16), j.[token], 2) AS [token] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [token] nvarchar(max) '$[1]') AS j) AS u)
ORDER BY e.[due_at], e.[id];
UPDATE e SET [due_at] = @P2
FROM @woken AS w INNER JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = w.[id];
SELECT e.[table_name], e.[key], e.[kind]
FROM @woken AS w INNER JOIN [DataSync].[dss_exceptions] AS e ON e.[id] = w.[id];
GO
-- make all due
DECLARE @last bigint;
SELECT @last = MAX([id]) FROM (
  SELECT TOP (@P3) [id] FROM [DataSync].[dss_exceptions]
  WHERE [id] > @P2 AND [parked_at] = 'apply' AND (@P1 = N'' OR [table_name] = @P1) ORDER BY [id]
) AS [next];
UPDATE [DataSync].[dss_exceptions] SET [due_at] = 0
WHERE [id] > @P2 AND [id] <= @last AND [parked_at] = 'apply' AND (@P1 = N'' OR [table_name] = @P1);
SELECT CAST(@@ROWCOUNT AS bigint), @last;
GO
-- is any due
SELECT CASE WHEN EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] WHERE [parked_at] = 'apply' AND [due_at] <= @P1)
  THEN 1 ELSE 0 END
GO
-- list all
SELECT TOP (@P1) [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind], [code],
  [message], [attempts], [first_at], [last_at], [due_at], [payload], [id]
FROM [DataSync].[dss_exceptions] WHERE [id] > @P2 AND (@P3 = N'' OR [table_name] = @P3) ORDER BY [id]
GO
-- list those that are due
SELECT TOP (@P1) [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind], [code],
  [message], [attempts], [first_at], [last_at], [due_at], [payload], [id]
FROM [DataSync].[dss_exceptions]
WHERE [parked_at] = 'apply' AND [due_at] > @P2 AND [due_at] <= @P3
  AND CHARINDEX(NCHAR(1) + [table_name] + NCHAR(1), @P4) > 0
ORDER BY [due_at], [id]
GO
-- count
SELECT [table_name], [parked_at], COUNT_BIG(*) FROM [DataSync].[dss_exceptions] GROUP BY [table_name], [parked_at]
GO
