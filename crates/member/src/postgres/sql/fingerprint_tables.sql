-- Changes with what is written down about the tables.
SELECT md5(coalesce(string_agg(table_name || xmin, ',' ORDER BY table_name), '')) FROM "DataSync".dss_tables
