-- The next record that apply will read from each partition; written with the rows.
CREATE TABLE [DataSync].[dss_offsets] (
  [topic] nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [generation] int NOT NULL,
  [partition] int NOT NULL,
  [next_offset] bigint NOT NULL,
  [log_id] varchar(36) COLLATE Latin1_General_BIN2 NOT NULL,
  CONSTRAINT [dss_offsets_key] PRIMARY KEY ([topic], [generation], [partition])
)
