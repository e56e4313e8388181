-- One row for each synchronised table: where it lies, what it looked like when it was provisioned, and how far the
-- first scan has claimed its keys ('pending', the canonical key bytes in hexadecimal, 'done').
CREATE TABLE "DataSync_dss_tables" (
  table_name TEXT NOT NULL PRIMARY KEY,
  local_table TEXT NOT NULL,
  tracking_table TEXT NOT NULL,
  generation INTEGER NOT NULL,
  first_incarnation TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  scan_claim TEXT NOT NULL,
  columns TEXT NOT NULL
) WITHOUT ROWID
