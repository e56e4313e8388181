SELECT scan_claim FROM "DataSync_dss_tables" WHERE table_name = ?1
