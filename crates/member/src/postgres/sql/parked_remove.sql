DELETE FROM "DataSync".dss_exceptions WHERE id = ANY ($1::int8[])
