SELECT name, value FROM "DataSync".dss_provisioning
