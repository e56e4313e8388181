-- Whose member this is, and the layout of the sync objects.
CREATE TABLE "DataSync_dss_provisioning" (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID
