-- schema of the sync objects
CREATE SCHEMA [DataSync] AUTHORIZATION [dbo]
GO
-- sequence of versions
CREATE SEQUENCE [DataSync].[dss_version] AS bigint START WITH 2 INCREMENT BY 1 MINVALUE 1 NO CYCLE CACHE 1000
GO
-- sequence of apply's batches
CREATE SEQUENCE [DataSync].[dss_batch] AS bigint START WITH 2 INCREMENT BY 1 MINVALUE 1 NO CYCLE CACHE 1000
GO
-- whose member this is
CREATE TABLE [DataSync].[dss_provisioning] (
  [name] nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [value] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT [dss_provisioning_key] PRIMARY KEY ([name])
)
GO
-- list of the synchronised tables
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
GO
-- capture's token
CREATE TABLE [DataSync].[dss_token] (
  [id] int NOT NULL,
  [counter] bigint NOT NULL,
  [token_id] varchar(36) COLLATE Latin1_General_BIN2 NOT NULL,
  [previous] varchar(36) COLLATE Latin1_General_BIN2 NULL,
  [position] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [highest_version] bigint NOT NULL,
  CONSTRAINT [dss_token_key] PRIMARY KEY ([id]),
  CONSTRAINT [dss_token_one] CHECK ([id] = 1)
)
GO
-- apply's offsets
CREATE TABLE [DataSync].[dss_offsets] (
  [topic] nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [generation] int NOT NULL,
  [partition] int NOT NULL,
  [next_offset] bigint NOT NULL,
  [log_id] varchar(36) COLLATE Latin1_General_BIN2 NOT NULL,
  CONSTRAINT [dss_offsets_key] PRIMARY KEY ([topic], [generation], [partition])
)
GO
-- rows that could not be carried
CREATE TABLE [DataSync].[dss_exceptions] (
  [id] bigint IDENTITY (1, 1) NOT NULL,
  [row_hash] binary(16) NOT NULL,
  [parked_at] varchar(10) COLLATE Latin1_General_BIN2 NOT NULL,
  [table_name] nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [key] varbinary(max) NULL,
  [key_text] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [vv] varchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
  [generation] int NULL,
  [partition] int NULL,
  [log_offset] bigint NULL,
  [kind] varchar(20) COLLATE Latin1_General_BIN2 NOT NULL,
  [code] nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [message] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [attempts] int NOT NULL,
  [first_at] bigint NOT NULL,
  [last_at] bigint NOT NULL,
  [due_at] bigint NOT NULL,
  [waits_for] binary(16) NULL,
  [payload] varbinary(max) NULL,
  CONSTRAINT [dss_exceptions_key] PRIMARY KEY ([id]),
  CONSTRAINT [dss_exceptions_row] UNIQUE ([row_hash])
)
GO
-- exceptions that are due
CREATE INDEX [dss_exceptions_due] ON [DataSync].[dss_exceptions] ([parked_at], [due_at])
GO
-- exceptions that wait for a row
CREATE INDEX [dss_exceptions_waits] ON [DataSync].[dss_exceptions] ([waits_for], [due_at])
GO
-- remove
DROP INDEX [dss_exceptions_waits] ON [DataSync].[dss_exceptions]
GO
-- remove
DROP INDEX [dss_exceptions_due] ON [DataSync].[dss_exceptions]
GO
-- remove
DROP TABLE [DataSync].[dss_exceptions]
GO
-- remove
DROP TABLE [DataSync].[dss_offsets]
GO
-- remove
DROP TABLE [DataSync].[dss_token]
GO
-- remove
DROP TABLE [DataSync].[dss_tables]
GO
-- remove
DROP TABLE [DataSync].[dss_provisioning]
GO
-- remove
DROP SEQUENCE [DataSync].[dss_batch]
GO
-- remove
DROP SEQUENCE [DataSync].[dss_version]
GO
-- remove
DROP SCHEMA [DataSync]
GO
