SELECT [columns] FROM [DataSync].[dss_tables] WITH (UPDLOCK, HOLDLOCK) WHERE [table_name] = @P1
