-- Tables and views of users.
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
WHERE o.[type] IN ('U', 'V') AND o.[is_ms_shipped] = 0 {filter}
ORDER BY SCHEMA_NAME(o.[schema_id]), o.[name]
