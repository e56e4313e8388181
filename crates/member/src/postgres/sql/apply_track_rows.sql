-- Has rows captured that the first scan may not have seen, as that scan's rows once more.
INSERT INTO {tracking} ({tracking_key}, local_version, local_incarnation, change_kind, is_tombstone, seen, xid)
SELECT {u_key}, nextval('"DataSync".dss_version'), {p1}, 'first_scan', false, {p2}, pg_current_xact_id() FROM {keys}
ON CONFLICT ({tracking_key}) DO NOTHING
