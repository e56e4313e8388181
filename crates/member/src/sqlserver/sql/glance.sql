-- What concerns the bound tables, summed up.
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
    SELECT SUM(CAST(CHECKSUM(o.[object_id], o.[schema_id], o.[name], o.[modify_date]) AS bigint))
    FROM sys.objects AS o
    WHERE o.[object_id] IN ({bases})
  ) AS nvarchar(40)),
  CAST(OBJECT_ID(N'[DataSync].[dss_tables]') AS nvarchar(40))
