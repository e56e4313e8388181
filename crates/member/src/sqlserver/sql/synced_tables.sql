-- The tables that have tracking, whoever works on them.
SELECT [local_schema], [local_table] FROM [DataSync].[dss_tables]
