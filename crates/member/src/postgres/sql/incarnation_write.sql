UPDATE "DataSync".dss_tables SET incarnation = $2 WHERE table_name = $1
