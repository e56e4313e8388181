-- Has a row captured that the first scan may not have seen, as that scan's row once more.
INSERT OR ABORT INTO {tracking} ({tracking_key}, local_version, local_incarnation, change_kind, is_tombstone, seen)
VALUES ({key_parameters}, {p1}, {p2}, 'first_scan', 0, {p3})
