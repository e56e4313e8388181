SELECT EXISTS (SELECT 1 FROM "DataSync_dss_exceptions" WHERE parked_at = 'apply' AND due_at <= ?1)
