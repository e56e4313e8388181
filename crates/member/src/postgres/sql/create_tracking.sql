-- One row for each cell that was ever changed here or written by apply. Most of its rows change often, so it is vacuumed
-- and analysed by numbers of rows and not by shares of the table.
CREATE TABLE {tracking} (
  {key_definitions},
  local_version int8,
  local_incarnation text,
  xid xid8,
  changed_at timestamptz,
  change_kind text,
  inside_apply bool,
  is_tombstone bool NOT NULL DEFAULT false,
  seen text NOT NULL DEFAULT '',
  apply_batch int8,
  PRIMARY KEY ({key})
) WITH (
  autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 10000
)
