-- One row for each synchronised table: where it lies, what it looked like when it was provisioned, and how far the
-- first scan has claimed its keys ('pending', the canonical key bytes in hexadecimal, 'done').
CREATE TABLE [DataSync].[dss_tables] (
  [table_name] nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [local_schema] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [local_table] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [tracking_table] nvarchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [generation] int NOT NULL,
  [first_incarnation] varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  [incarnation] varchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
  [scan_claim] varchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
  [columns] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT [dss_tables_key] PRIMARY KEY ([table_name])
)
