-- Triggers of tables, with their definitions.
SELECT
  CAST(t.[parent_id] AS bigint),
  CAST(t.[name] AS nvarchar(128)),
  CAST(m.[definition] AS nvarchar(max)),
  t.[is_disabled],
  t.[is_instead_of_trigger]
FROM sys.triggers AS t
LEFT JOIN sys.sql_modules AS m ON m.[object_id] = t.[object_id]
WHERE t.[parent_class] = 1 {filter}
ORDER BY t.[parent_id], t.[name]
