-- What provisioning wrote down about the tables.
SELECT [table_name], [local_schema], [local_table], [generation], [first_incarnation], [incarnation], [columns]
FROM [DataSync].[dss_tables]
ORDER BY [table_name]
