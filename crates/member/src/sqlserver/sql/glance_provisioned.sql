-- What concerns the bound tables and our objects, summed up; and the foreign keys and triggers of the whole database,
-- since cascades run through all of them. How far a refill is moves on with each of its steps and changes no table.
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
    SELECT SUM(CAST(CHECKSUM(i.[object_id], i.[index_id], i.[name], i.[is_unique], i.[is_disabled]) AS bigint))
    FROM sys.indexes AS i
    WHERE i.[object_id] IN ({tables})
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(o.[object_id], o.[schema_id], o.[name], o.[modify_date]) AS bigint))
    FROM sys.objects AS o
    WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') OR o.[object_id] IN ({bases})
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
