-- Puts a row back in every member, as a change of this one made on top of the group's delete.
INSERT OR ABORT INTO {tracking}
  ({tracking_key}, local_version, local_incarnation, changed_at, change_kind, is_tombstone, seen)
VALUES ({key_parameters}, {p1}, {p2}, strftime('%Y-%m-%d %H:%M:%f', 'now'), 'restored', 0, {p3})
ON CONFLICT ({tracking_key}) DO UPDATE SET
  local_version = excluded.local_version,
  local_incarnation = excluded.local_incarnation,
  changed_at = excluded.changed_at,
  change_kind = excluded.change_kind,
  inside_apply = NULL,
  is_tombstone = 0,
  seen = excluded.seen
