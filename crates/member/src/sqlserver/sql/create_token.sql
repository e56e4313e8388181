-- What capture committed last before it published: proves that this database has not gone back in time.
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
