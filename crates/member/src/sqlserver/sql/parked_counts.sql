SELECT [table_name], [parked_at], COUNT_BIG(*) FROM [DataSync].[dss_exceptions] GROUP BY [table_name], [parked_at]
