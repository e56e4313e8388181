SELECT columns FROM "DataSync".dss_tables WHERE table_name = $1 FOR UPDATE
