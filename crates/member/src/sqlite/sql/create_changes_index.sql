-- The only index that polling uses.
CREATE INDEX {changes_index} ON {tracking} (local_version) WHERE local_version IS NOT NULL
