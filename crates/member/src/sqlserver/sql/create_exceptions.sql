-- Rows that could not be published ('capture') and records that could not be written ('apply'). Times are ticks of
-- 100 ns since 1970-01-01. `row_hash` names end, table and row, since keys can be too long for an index; `waits_for`
-- tells what row a record waits for in the same way, so that its arrival makes it due.
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
