SELECT EXISTS (SELECT FROM "DataSync".dss_exceptions WHERE parked_at = 'apply' AND due_at <= $1)
