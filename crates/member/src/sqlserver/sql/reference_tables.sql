-- Tables at either end of a foreign key.
SELECT CAST(f.[parent_object_id] AS bigint) FROM sys.foreign_keys AS f WHERE f.[is_disabled] = 0
UNION
SELECT CAST(f.[referenced_object_id] AS bigint) FROM sys.foreign_keys AS f WHERE f.[is_disabled] = 0
