SELECT 1 FROM "DataSync".dss_exceptions WHERE parked_at = 'capture' LIMIT 1
