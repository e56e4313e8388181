-- What apply's decisions are made on. A version of NULL means: no change of this member's own.
SELECT u.place, t.local_version, t.local_incarnation, t.seen, t.is_tombstone, t.apply_batch, t.changed_at, t.change_kind,
  t.inside_apply, t.xid
FROM {keys} JOIN {tracking} AS t ON {tracking_match}
