-- The only index that polling uses.
CREATE INDEX {changes_index} ON {tracking} (xid, local_version) WHERE local_version IS NOT NULL
