-- read gained columns
SELECT u.[place], CAST(CAST(b.[code] AS nvarchar(10)) AS varbinary(20)) AS [c0], CASE WHEN (b.[code] IS NULL OR NOT (b.[code] COLLATE Cyrillic_General_BIN2 <> CAST(CAST((('x')) AS nvarchar(max)) COLLATE Cyrillic_General_BIN2 AS varchar(10)) COLLATE Cyrillic_General_BIN2 OR DATALENGTH(b.[code]) <> DATALENGTH(CAST(CAST((('x')) AS nvarchar(max)) COLLATE Cyrillic_General_BIN2 AS varchar(10))))) THEN 1 ELSE 0 END AS [n0], b.[rank] AS [c1], CASE WHEN (b.[rank] IS NULL OR NOT (b.[rank] <> CAST((((5))) AS int))) THEN 1 ELSE 0 END AS [n1], CAST(CAST(b.[note] AS nvarchar(max)) AS varbinary(max)) AS [c2], CASE WHEN (b.[note] IS NULL OR NOT (CAST(b.[note] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 <> CAST(CAST(((N'y')) AS nvarchar(max)) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 OR DATALENGTH(CAST(b.[note] AS nvarchar(max))) <> DATALENGTH(CAST(CAST(((N'y')) AS nvarchar(max)) AS nvarchar(max))))) THEN 1 ELSE 0 END AS [n2]
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON b.[id] = u.[k0]
GO
-- mark cells
UPDATE t SET [apply_batch] = @P2 FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0];
INSERT INTO [DataSync].[item_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch])
SELECT u.[k0], 0, 0, '', @P2 FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
GO
-- make rows changes
UPDATE t SET
  [seen] = CASE
    WHEN t.[local_version] IS NOT NULL AND ISNULL(t.[local_incarnation], '') <> @P2
      THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], N'hq') + ':' + CAST(t.[local_version] AS varchar(20)))
    ELSE t.[seen]
  END,
  [change_kind] = CASE WHEN t.[local_version] IS NULL OR t.[change_kind] = 'first_scan' THEN 'restated' ELSE t.[change_kind] END,
  [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
  [local_incarnation] = NULLIF(@P2, ''),
  [is_local] = 1,
  [is_tombstone] = 0
FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0];
INSERT INTO [DataSync].[item_dss_tracking]
  ([id], [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT u.[k0], NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'restated', 0, '' FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[item_dss_tracking] AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE t.[id] = u.[k0]);
GO
-- fill two columns
UPDATE b SET [code] = u.[v0], [rank] = u.[v1] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[v0] AS [v0], CAST(j.[v1] AS int) AS [v1] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]', [v1] nvarchar(max) '$[3]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0] WHERE (b.[code] IS NULL OR NOT (b.[code] COLLATE Cyrillic_General_BIN2 <> CAST(CAST((('x')) AS nvarchar(max)) COLLATE Cyrillic_General_BIN2 AS varchar(10)) COLLATE Cyrillic_General_BIN2 OR DATALENGTH(b.[code]) <> DATALENGTH(CAST(CAST((('x')) AS nvarchar(max)) COLLATE Cyrillic_General_BIN2 AS varchar(10))))) AND (b.[rank] IS NULL OR NOT (b.[rank] <> CAST((((5))) AS int)));
SELECT @@ROWCOUNT;
GO
-- fill another
UPDATE b SET [note] = u.[v2] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], j.[v2] AS [v2] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v2] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0] WHERE (b.[note] IS NULL OR NOT (CAST(b.[note] AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 <> CAST(CAST(((N'y')) AS nvarchar(max)) AS nvarchar(max)) COLLATE Latin1_General_100_BIN2 OR DATALENGTH(CAST(b.[note] AS nvarchar(max))) <> DATALENGTH(CAST(CAST(((N'y')) AS nvarchar(max)) AS nvarchar(max)))));
SELECT @@ROWCOUNT;
GO
-- take marks away
DELETE t FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]') AS j) AS u INNER LOOP JOIN [DataSync].[item_dss_tracking] AS t WITH (ROWLOCK) ON t.[id] = u.[k0]
WHERE t.[local_version] IS NULL AND t.[seen] = '' AND t.[apply_batch] = @P2
GO
-- a subscriber's
UPDATE b SET [rank] = u.[v0] FROM (SELECT j.[place], CAST(j.[key0] AS bigint) AS [k0], CAST(j.[v0] AS int) AS [v0] FROM OPENJSON(@P1) WITH ([place] int '$[0]', [key0] nvarchar(max) '$[1]', [v0] nvarchar(max) '$[2]') AS j) AS u INNER LOOP JOIN [dbo].[item] AS b WITH (ROWLOCK) ON b.[id] = u.[k0] WHERE 1 = 1;
SELECT @@ROWCOUNT;
GO
-- read how far it is
SELECT [columns] FROM [DataSync].[dss_tables] WITH (UPDLOCK, HOLDLOCK) WHERE [table_name] = @P1
GO
-- write how far it is
UPDATE [DataSync].[dss_tables] SET [columns] = @P2 WHERE [table_name] = @P1 AND [columns] = @P3;
SELECT @@ROWCOUNT;
GO
-- keep capture from its commit
UPDATE [DataSync].[dss_token] WITH (HOLDLOCK) SET [counter] = [counter] WHERE [id] = 1
GO
