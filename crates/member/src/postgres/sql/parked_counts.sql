SELECT table_name, parked_at, count(*) FROM "DataSync".dss_exceptions GROUP BY table_name, parked_at
