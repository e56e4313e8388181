SELECT table_name, parked_at, count(*) FROM "DataSync_dss_exceptions" GROUP BY table_name, parked_at
