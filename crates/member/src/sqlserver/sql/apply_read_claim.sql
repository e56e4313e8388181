SELECT [scan_claim] FROM [DataSync].[dss_tables] WHERE [table_name] = @P1
