DELETE FROM "DataSync_dss_apply"
