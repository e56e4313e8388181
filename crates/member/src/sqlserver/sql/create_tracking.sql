-- One row for each cell that was ever changed here or written by apply. `row_version` is the server's own number of the
-- row's last write, in the order of which changes are read; `is_local` tells rows with a change of this member's own.
CREATE TABLE {tracking} (
  {key_definitions},
  [local_version] bigint NULL,
  [local_incarnation] varchar(64) COLLATE Latin1_General_BIN2 NULL,
  [is_local] bit NOT NULL,
  [changed_at] datetime2(7) NULL,
  [change_kind] varchar(16) COLLATE Latin1_General_BIN2 NULL,
  [inside_apply] bit NULL,
  [is_tombstone] bit NOT NULL,
  [seen] varchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
  [apply_batch] bigint NULL,
  [row_version] rowversion NOT NULL,
  CONSTRAINT {tracking_key_name} PRIMARY KEY CLUSTERED ({tracking_key})
)
