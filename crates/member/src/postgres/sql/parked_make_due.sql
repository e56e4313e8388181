UPDATE "DataSync".dss_exceptions SET due_at = 0 WHERE parked_at = 'apply' AND ($1::text IS NULL OR table_name = $1)
