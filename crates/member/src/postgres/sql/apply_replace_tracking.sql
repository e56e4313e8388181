-- Marks cells whose latest changes of this member's own the group has settled; nothing happens where there is a later
-- change by now.
UPDATE {tracking} AS t SET
  is_tombstone = {p2},
  seen = u.seen,
  apply_batch = {p3},
  local_version = NULL,
  local_incarnation = NULL,
  changed_at = NULL,
  change_kind = NULL,
  inside_apply = NULL,
  xid = NULL
FROM unnest({key_arrays}, {p1}::text[], {p4}::int8[], {p5}::text[]) AS u ({u_names}, seen, version, incarnation)
WHERE {tracking_match} AND t.local_version = u.version AND t.local_incarnation IS NOT DISTINCT FROM u.incarnation
