SELECT scan_claim FROM "DataSync".dss_claims WHERE table_name = $1
