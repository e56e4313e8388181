-- Marks a cell whose latest change of this member's own the group has settled; nothing happens if there is a later
-- change by now.
UPDATE OR ABORT {tracking} SET
  is_tombstone = {p1},
  seen = {p2},
  apply_batch = {p3},
  local_version = NULL,
  local_incarnation = NULL,
  changed_at = NULL,
  change_kind = NULL,
  inside_apply = NULL
WHERE {tracking_match} AND local_version = {p4} AND local_incarnation IS {p5}
