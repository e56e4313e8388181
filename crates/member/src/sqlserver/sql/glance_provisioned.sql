-- What concerns the bound tables and our objects for them, summed up.
SELECT
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      c.[object_id], c.[column_id], c.[name], c.[system_type_id], c.[max_length], c.[precision], c.[scale],
      c.[is_nullable], c.[is_computed], c.[collation_name]
    ) AS bigint))
    FROM sys.columns AS c
    WHERE c.[object_id] IN ({bases})
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(t.[object_id], t.[name], t.[is_disabled], t.[modify_date]) AS bigint))
    FROM sys.triggers AS t
    WHERE t.[parent_id] IN ({bases})
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(i.[object_id], i.[index_id], i.[name], i.[is_unique], i.[is_disabled]) AS bigint))
    FROM sys.indexes AS i
    WHERE i.[object_id] IN ({bases}, {objects})
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(o.[object_id], o.[name], o.[modify_date]) AS bigint))
    FROM sys.objects AS o
    WHERE o.[object_id] IN ({objects})
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      p.[table_name], p.[local_schema], p.[local_table], p.[generation], p.[first_incarnation], p.[incarnation],
      p.[columns]
    ) AS bigint))
    FROM [DataSync].[dss_tables] AS p
  ) AS nvarchar(40)),
  CAST(OBJECT_ID(N'[DataSync].[dss_tables]') AS nvarchar(40))
