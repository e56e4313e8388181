-- What apply's decision is made on. A version of NULL means: no change of this member's own.
SELECT local_version, local_incarnation, seen, is_tombstone, apply_batch, changed_at, change_kind, inside_apply
FROM {tracking} WHERE {tracking_match}
