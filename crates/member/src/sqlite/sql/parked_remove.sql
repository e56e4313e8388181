DELETE FROM "DataSync_dss_exceptions" WHERE id = ?1
