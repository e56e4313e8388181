-- One row for each cell that was ever changed here or written by apply.
CREATE TABLE {tracking} (
  {key_definitions},
  local_version INTEGER,
  local_incarnation TEXT,
  changed_at TEXT,
  change_kind TEXT,
  inside_apply INTEGER,
  is_tombstone INTEGER NOT NULL DEFAULT 0,
  seen TEXT NOT NULL DEFAULT '',
  apply_batch INTEGER,
  PRIMARY KEY ({key})
){without_rowid}
