-- Gives a tracking row back what it held before a record was refused.
UPDATE OR ABORT {tracking} SET
  is_tombstone = {p1},
  seen = {p2},
  apply_batch = {p3},
  local_version = {p4},
  local_incarnation = {p5},
  changed_at = {p6},
  change_kind = {p7},
  inside_apply = {p8}
WHERE {tracking_match}
