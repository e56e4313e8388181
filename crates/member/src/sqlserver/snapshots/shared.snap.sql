-- session settings
SET ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL, QUOTED_IDENTIFIER ON;
SET NUMERIC_ROUNDABORT OFF;
SET IMPLICIT_TRANSACTIONS OFF;
SET XACT_ABORT ON;
SET NOCOUNT ON;
SET LANGUAGE us_english;
SET DATEFORMAT ymd;
SET TEXTSIZE 2147483647;
SET DEADLOCK_PRIORITY LOW;
SET LOCK_TIMEOUT 5000;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
GO
-- server
SELECT
  CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
  CAST(SERVERPROPERTY('EngineEdition') AS int),
  CAST(SERVERPROPERTY('Edition') AS nvarchar(128)),
  CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)),
  CAST(d.[name] AS nvarchar(128)),
  CAST(d.[compatibility_level] AS int),
  CAST(d.[snapshot_isolation_state] AS int),
  CAST(d.[is_read_committed_snapshot_on] AS int),
  CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128))
FROM sys.databases AS d
WHERE d.[database_id] = DB_ID()
GO
-- settings of the database
SELECT
  (SELECT CAST(c.[value_in_use] AS int) FROM sys.configurations AS c WHERE c.[name] = N'nested triggers'),
  (SELECT CAST(d.[delayed_durability_desc] AS nvarchar(60)) FROM sys.databases AS d WHERE d.[database_id] = DB_ID())
GO
-- tables
SELECT
  CAST(o.[object_id] AS bigint),
  CAST(SCHEMA_NAME(o.[schema_id]) AS nvarchar(128)),
  CAST(o.[name] AS nvarchar(128)),
  o.[type],
  t.[is_memory_optimized],
  t.[is_external],
  COALESCE(CAST(t.[temporal_type] AS int), 0)
FROM sys.objects AS o
LEFT JOIN sys.tables AS t ON t.[object_id] = o.[object_id]
WHERE o.[type] IN ('U', 'V') AND o.[is_ms_shipped] = 0 
ORDER BY SCHEMA_NAME(o.[schema_id]), o.[name]
GO
-- columns
SELECT
  CAST(c.[object_id] AS bigint),
  CAST(c.[column_id] AS int),
  CAST(c.[name] AS nvarchar(128)),
  COALESCE(TYPE_NAME(c.[system_type_id]), TYPE_NAME(c.[user_type_id]), ''),
  CAST(c.[max_length] AS int),
  CAST(c.[precision] AS int),
  CAST(c.[scale] AS int),
  c.[is_nullable],
  c.[is_computed],
  CAST(COALESCE(c.[generated_always_type], 0) AS int),
  CAST(COALESCE(c.[encryption_type], 0) AS int),
  c.[is_column_set],
  c.[is_filestream],
  c.[is_identity],
  CASE WHEN c.[default_object_id] <> 0 THEN 1 ELSE 0 END,
  c.[is_masked],
  c.[collation_name],
  CAST(COLLATIONPROPERTY(c.[collation_name], 'CodePage') AS int),
  CAST(d.[definition] AS nvarchar(max))
FROM sys.columns AS c
INNER JOIN sys.objects AS o ON o.[object_id] = c.[object_id]
LEFT JOIN sys.default_constraints AS d ON d.[object_id] = c.[default_object_id]
WHERE o.[type] IN ('U', 'V') AND o.[is_ms_shipped] = 0 
ORDER BY c.[object_id], c.[column_id]
GO
-- indexes
SELECT
  CAST(i.[object_id] AS bigint),
  CAST(i.[name] AS nvarchar(128)),
  i.[is_primary_key],
  CAST(k.[column_id] AS int),
  i.[has_filter],
  i.[ignore_dup_key],
  i.[filter_definition]
FROM sys.indexes AS i
INNER JOIN sys.index_columns AS k ON k.[object_id] = i.[object_id] AND k.[index_id] = i.[index_id]
WHERE i.[is_unique] = 1 AND i.[is_disabled] = 0 AND k.[is_included_column] = 0 AND k.[key_ordinal] > 0 
ORDER BY i.[object_id], i.[index_id], k.[key_ordinal]
GO
-- foreign keys
SELECT
  CAST(f.[parent_object_id] AS bigint),
  CAST(f.[name] AS nvarchar(128)),
  CAST(f.[referenced_object_id] AS bigint),
  CAST(OBJECT_SCHEMA_NAME(f.[referenced_object_id]) AS nvarchar(128)),
  CAST(OBJECT_NAME(f.[referenced_object_id]) AS nvarchar(128)),
  CAST(f.[delete_referential_action] AS int),
  f.[is_disabled],
  CAST(c.[name] AS nvarchar(128)),
  CAST(r.[name] AS nvarchar(128))
FROM sys.foreign_keys AS f
INNER JOIN sys.foreign_key_columns AS k ON k.[constraint_object_id] = f.[object_id]
INNER JOIN sys.columns AS c ON c.[object_id] = k.[parent_object_id] AND c.[column_id] = k.[parent_column_id]
INNER JOIN sys.columns AS r ON r.[object_id] = k.[referenced_object_id] AND r.[column_id] = k.[referenced_column_id]
WHERE f.[is_ms_shipped] = 0 
ORDER BY f.[parent_object_id], f.[object_id], k.[constraint_column_id]
GO
-- triggers
SELECT
  CAST(t.[parent_id] AS bigint),
  CAST(t.[name] AS nvarchar(128)),
  CAST(m.[definition] AS nvarchar(max)),
  t.[is_disabled],
  t.[is_instead_of_trigger]
FROM sys.triggers AS t
LEFT JOIN sys.sql_modules AS m ON m.[object_id] = t.[object_id]
WHERE t.[parent_class] = 1 
ORDER BY t.[parent_id], t.[name]
GO
-- our objects
SELECT CASE WHEN SCHEMA_ID(N'DataSync') IS NULL THEN 0 ELSE 1 END;
SELECT
  CAST(SCHEMA_NAME(o.[schema_id]) AS nvarchar(128)),
  CAST(o.[name] AS nvarchar(128)),
  o.[type],
  CAST(m.[definition] AS nvarchar(max))
FROM sys.objects AS o
LEFT JOIN sys.sql_modules AS m ON m.[object_id] = o.[object_id]
WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') AND o.[type] IN ('U', 'V', 'P', 'SO', 'SN', 'FN', 'IF', 'TF');
SELECT CAST(o.[name] AS nvarchar(128)), CAST(i.[index_id] AS int), CAST(c.[name] AS nvarchar(128))
FROM sys.indexes AS i
INNER JOIN sys.objects AS o ON o.[object_id] = i.[object_id]
INNER JOIN sys.index_columns AS k ON k.[object_id] = i.[object_id] AND k.[index_id] = i.[index_id]
INNER JOIN sys.columns AS c ON c.[object_id] = k.[object_id] AND c.[column_id] = k.[column_id]
WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') AND o.[type] = 'U' AND i.[is_disabled] = 0
AND k.[is_included_column] = 0 AND k.[key_ordinal] > 0
ORDER BY i.[object_id], i.[index_id], k.[key_ordinal]
GO
-- all of ours
SELECT
  CAST(SCHEMA_NAME(o.[schema_id]) AS nvarchar(128)),
  CAST(o.[name] AS nvarchar(128)),
  o.[type],
  CAST(m.[definition] AS nvarchar(max))
FROM sys.objects AS o
LEFT JOIN sys.sql_modules AS m ON m.[object_id] = o.[object_id]
WHERE (o.[schema_id] = SCHEMA_ID(N'DataSync') AND o.[type] IN ('U', 'V', 'P', 'SO', 'SN', 'FN', 'IF', 'TF'))
OR o.[type] = 'TR'
ORDER BY
  CASE o.[type] WHEN 'TR' THEN 1 WHEN 'P' THEN 2 WHEN 'U' THEN 3 WHEN 'SO' THEN 4 ELSE 5 END,
  SCHEMA_NAME(o.[schema_id]),
  o.[name]
GO
-- glance
SELECT
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      c.[object_id], c.[column_id], c.[name], c.[system_type_id], c.[max_length], c.[precision], c.[scale],
      c.[is_nullable], c.[is_computed], c.[collation_name]
    ) AS bigint))
    FROM sys.columns AS c
    WHERE c.[object_id] IN (OBJECT_ID(N'[dbo].[a]'))
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(o.[object_id], o.[schema_id], o.[name], o.[modify_date]) AS bigint))
    FROM sys.objects AS o
    WHERE o.[object_id] IN (OBJECT_ID(N'[dbo].[a]'))
  ) AS nvarchar(40)),
  CAST(OBJECT_ID(N'[DataSync].[dss_tables]') AS nvarchar(40))
GO
-- glance when provisioned
SELECT
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      c.[object_id], c.[column_id], c.[name], c.[system_type_id], c.[max_length], c.[precision], c.[scale],
      c.[is_nullable], c.[is_computed], c.[collation_name]
    ) AS bigint))
    FROM sys.columns AS c
    WHERE c.[object_id] IN (OBJECT_ID(N'[dbo].[a]'))
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(i.[object_id], i.[index_id], i.[name], i.[is_unique], i.[is_disabled]) AS bigint))
    FROM sys.indexes AS i
    WHERE i.[object_id] IN (1, 2)
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(o.[object_id], o.[schema_id], o.[name], o.[modify_date]) AS bigint))
    FROM sys.objects AS o
    WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') OR o.[object_id] IN (OBJECT_ID(N'[dbo].[a]'))
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(t.[object_id], t.[parent_id], t.[name], t.[is_disabled], t.[modify_date]) AS bigint))
    FROM sys.triggers AS t
    WHERE t.[parent_class] = 1
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      f.[object_id], f.[parent_object_id], f.[referenced_object_id], f.[delete_referential_action], f.[is_disabled]
    ) AS bigint))
    FROM sys.foreign_keys AS f
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      p.[table_name], p.[local_schema], p.[local_table], p.[generation], p.[first_incarnation], p.[incarnation],
      JSON_MODIFY(p.[columns], '$.refill.progress', NULL)
    ) AS bigint))
    FROM [DataSync].[dss_tables] AS p
  ) AS nvarchar(40)),
  CAST(OBJECT_ID(N'[DataSync].[dss_tables]') AS nvarchar(40))
GO
-- what is provisioned
SELECT [table_name], [local_schema], [local_table], [generation], [first_incarnation], [incarnation], [columns]
FROM [DataSync].[dss_tables]
ORDER BY [table_name]
GO
-- lock
DECLARE @got int;
EXEC @got = sp_getapplock @Resource = N'DataSync', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 5000;
SELECT @got
GO
-- highest version
SELECT COALESCE(MAX(CASE WHEN t.[local_version] > COALESCE(t.[apply_batch], 0) THEN t.[local_version] ELSE t.[apply_batch] END), 1)
FROM [DataSync].[a_dss_tracking] AS t
GO
-- commit
DECLARE @written int = 0;
DECLARE @listed int = 0;
DECLARE @highest bigint = 0;
DECLARE @refilled nvarchar(400) = NULL;
BEGIN TRANSACTION;
SELECT @highest = NEXT VALUE FOR [DataSync].[dss_version];
SET @highest = @highest - 1;
INSERT INTO [DataSync].[dss_token] ([id], [counter], [token_id], [previous], [position], [highest_version])
SELECT 1, @P1, @P2, NULL, @P3, @highest
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[dss_token] WITH (UPDLOCK, HOLDLOCK));
SET @written = @@ROWCOUNT;
UPDATE [DataSync].[dss_token]
SET [counter] = @P1, [token_id] = @P2, [previous] = @P4, [position] = @P3, [highest_version] = @highest
WHERE [id] = 1 AND [token_id] = @P4;
SET @written = @@ROWCOUNT;
IF @written = 1 SELECT @refilled = MIN([table_name]) FROM [DataSync].[dss_tables]
WHERE [table_name] IN (@P5) AND JSON_QUERY([columns], '$.refill') IS NOT NULL;
IF EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] WHERE [parked_at] = 'capture') SET @listed = 1;
IF @written = 1 AND @listed = 0 AND @refilled IS NULL COMMIT TRANSACTION;
ELSE ROLLBACK TRANSACTION;
SELECT @written, @listed, @highest, (SELECT [token_id] FROM [DataSync].[dss_token] WHERE [id] = 1), @refilled
GO
-- commit with listings
DECLARE @written int = 0;
DECLARE @highest bigint = 0;
DECLARE @refilled nvarchar(400) = NULL;
SELECT @highest = NEXT VALUE FOR [DataSync].[dss_version];
SET @highest = @highest - 1;
INSERT INTO [DataSync].[dss_token] ([id], [counter], [token_id], [previous], [position], [highest_version])
SELECT 1, @P1, @P2, NULL, @P3, @highest
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[dss_token] WITH (UPDLOCK, HOLDLOCK));
SET @written = @@ROWCOUNT;
UPDATE [DataSync].[dss_token]
SET [counter] = @P1, [token_id] = @P2, [previous] = @P4, [position] = @P3, [highest_version] = @highest
WHERE [id] = 1 AND [token_id] = @P4;
SET @written = @@ROWCOUNT;
IF @written = 1 SELECT @refilled = MIN([table_name]) FROM [DataSync].[dss_tables]
WHERE [table_name] IN (@P5) AND JSON_QUERY([columns], '$.refill') IS NOT NULL;
SELECT @written, 0, @highest, (SELECT [token_id] FROM [DataSync].[dss_token] WHERE [id] = 1), @refilled
GO
-- list a row
UPDATE [DataSync].[dss_exceptions]
SET [key_text] = @P3, [kind] = 'value', [message] = @P4, [attempts] = [attempts] + 1, [last_at] = @P5
WHERE [row_hash] = @P1;
IF @@ROWCOUNT = 0
  INSERT INTO [DataSync].[dss_exceptions] (
    [key], [row_hash], [parked_at], [table_name], [key_text], [vv], [kind], [code], [message], [attempts],
    [first_at], [last_at], [due_at]
  )
  VALUES (@P6, @P1, 'capture', @P2, @P3, '', 'value', N'', @P4, 1, @P5, @P5, 9223372036854775807);
GO
-- token
SELECT [counter], [token_id], [previous], [position], [highest_version]
FROM [DataSync].[dss_token]
WHERE [id] = 1
GO
-- who holds back
SELECT TOP (1)
  CAST(s.[session_id] AS int),
  s.[login_name],
  s.[program_name],
  s.[host_name],
  CAST(DATEDIFF(SECOND, d.[database_transaction_begin_time], GETDATE()) AS bigint)
FROM sys.dm_tran_database_transactions AS d
INNER JOIN sys.dm_tran_session_transactions AS t ON t.[transaction_id] = d.[transaction_id]
INNER JOIN sys.dm_exec_sessions AS s ON s.[session_id] = t.[session_id]
WHERE d.[database_id] = DB_ID() AND d.[database_transaction_begin_time] IS NOT NULL AND s.[session_id] <> @@SPID
ORDER BY d.[database_transaction_begin_time]
GO
