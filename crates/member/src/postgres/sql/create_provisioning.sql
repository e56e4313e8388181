-- Whose member this is, and the layout of the sync objects.
CREATE TABLE "DataSync".dss_provisioning (
  name text NOT NULL PRIMARY KEY,
  value text NOT NULL
)
