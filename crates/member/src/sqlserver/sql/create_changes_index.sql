-- The only index that polling uses.
CREATE INDEX {changes_index} ON {tracking} ([is_local], [row_version], [local_version])
