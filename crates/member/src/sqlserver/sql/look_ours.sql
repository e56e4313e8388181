-- Whether our schema is there, what lies in it, and its indexes.
SELECT CASE WHEN SCHEMA_ID(N'DataSync') IS NULL THEN 0 ELSE 1 END;
SELECT
  CAST(SCHEMA_NAME(o.[schema_id]) AS nvarchar(128)),
  CAST(o.[name] AS nvarchar(128)),
  o.[type],
  CAST(m.[definition] AS nvarchar(max))
FROM sys.objects AS o
LEFT JOIN sys.sql_modules AS m ON m.[object_id] = o.[object_id]
WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') AND o.[type] IN ('U', 'V', 'P', 'SO', 'SN', 'FN', 'IF', 'TF');
SELECT CAST(o.[name] AS nvarchar(128)), CAST(i.[index_id] AS int), CAST(c.[name] AS nvarchar(128))
FROM sys.indexes AS i
INNER JOIN sys.objects AS o ON o.[object_id] = i.[object_id]
INNER JOIN sys.index_columns AS k ON k.[object_id] = i.[object_id] AND k.[index_id] = i.[index_id]
INNER JOIN sys.columns AS c ON c.[object_id] = k.[object_id] AND c.[column_id] = k.[column_id]
WHERE o.[schema_id] = SCHEMA_ID(N'DataSync') AND o.[type] = 'U' AND i.[is_disabled] = 0
AND k.[is_included_column] = 0 AND k.[key_ordinal] > 0
ORDER BY i.[object_id], i.[index_id], k.[key_ordinal]
