-- Columns, with the system's type behind an alias.
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
WHERE o.[type] IN ('U', 'V') AND o.[is_ms_shipped] = 0 {filter}
ORDER BY c.[object_id], c.[column_id]
