UPDATE "DataSync".dss_claims SET scan_claim = $2 WHERE table_name = $1
