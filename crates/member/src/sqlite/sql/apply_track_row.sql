-- Gives a row that the first scan did not see a change of its own, so that it is captured.
INSERT OR ABORT INTO {tracking} ({tracking_key}, local_version, local_incarnation, is_tombstone, seen)
VALUES ({key_parameters}, {p1}, {p2}, 0, '')
