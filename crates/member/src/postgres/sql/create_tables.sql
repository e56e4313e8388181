-- One row for each synchronised table: where it lies, what its tracking table is called, and what it looked like when it
-- was provisioned.
CREATE TABLE "DataSync".dss_tables (
  table_name text NOT NULL PRIMARY KEY,
  local_schema text NOT NULL,
  local_table text NOT NULL,
  tracking_table text NOT NULL,
  routine text NOT NULL,
  generation int4 NOT NULL,
  first_incarnation text NOT NULL,
  incarnation text NOT NULL,
  columns text NOT NULL
)
