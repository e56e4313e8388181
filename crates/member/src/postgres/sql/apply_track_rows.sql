-- Gives rows that the first scan did not see changes of their own, so that they are captured.
INSERT INTO {tracking} ({tracking_key}, local_version, local_incarnation, is_tombstone, seen, xid)
SELECT {u_key}, nextval('"DataSync".dss_version'), {p1}, false, '', pg_current_xact_id() FROM {keys}
ON CONFLICT ({tracking_key}) DO NOTHING
