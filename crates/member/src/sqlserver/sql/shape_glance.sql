-- Foreign keys, triggers and synchronised tables of the whole database, summed up: cascades run through all of them.
SELECT
  CAST((
    SELECT SUM(CAST(CHECKSUM(
      f.[object_id], f.[parent_object_id], f.[referenced_object_id], f.[delete_referential_action], f.[is_disabled]
    ) AS bigint))
    FROM sys.foreign_keys AS f
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(t.[object_id], t.[parent_id], t.[is_disabled]) AS bigint))
    FROM sys.triggers AS t
    WHERE t.[parent_class] = 1
  ) AS nvarchar(40)),
  CAST((
    SELECT SUM(CAST(CHECKSUM(p.[local_schema], p.[local_table]) AS bigint)) FROM [DataSync].[dss_tables] AS p
  ) AS nvarchar(40))
