UPDATE "DataSync".dss_tables AS t SET first_incarnation = $2 FROM "DataSync".dss_claims AS c
WHERE t.table_name = $1 AND c.table_name = t.table_name AND c.scan_claim = 'pending'
