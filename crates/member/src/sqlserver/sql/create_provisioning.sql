-- Whose member this is, and the layout of the sync objects.
CREATE TABLE [DataSync].[dss_provisioning] (
  [name] nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [value] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT [dss_provisioning_key] PRIMARY KEY ([name])
)
