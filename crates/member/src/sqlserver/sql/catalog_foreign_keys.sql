-- Columns of foreign keys.
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
WHERE f.[is_ms_shipped] = 0 {filter}
ORDER BY f.[parent_object_id], f.[object_id], k.[constraint_column_id]
