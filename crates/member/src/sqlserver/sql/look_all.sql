-- Everything of ours, in the order in which it can be dropped.
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
