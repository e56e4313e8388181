-- A table of these that has gained columns which are being filled.
IF @written = 1 SELECT @refilled = MIN([table_name]) FROM [DataSync].[dss_tables]
WHERE [table_name] IN ({tables}) AND JSON_QUERY([columns], '$.refill') IS NOT NULL;
