-- Columns of primary keys and of unique indexes.
SELECT
  CAST(i.[object_id] AS bigint),
  CAST(i.[name] AS nvarchar(128)),
  i.[is_primary_key],
  CAST(k.[column_id] AS int),
  i.[has_filter],
  i.[ignore_dup_key],
  i.[filter_definition]
FROM sys.indexes AS i
INNER JOIN sys.index_columns AS k ON k.[object_id] = i.[object_id] AND k.[index_id] = i.[index_id]
WHERE i.[is_unique] = 1 AND i.[is_disabled] = 0 AND k.[is_included_column] = 0 AND k.[key_ordinal] > 0 {filter}
ORDER BY i.[object_id], i.[index_id], k.[key_ordinal]
