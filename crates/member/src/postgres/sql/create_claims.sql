-- How far the first scan of each table has claimed its keys: 'pending', the canonical key bytes in hexadecimal, 'done'.
CREATE TABLE "DataSync".dss_claims (
  table_name text NOT NULL PRIMARY KEY,
  scan_claim text NOT NULL
)
