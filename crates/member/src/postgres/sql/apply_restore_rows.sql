-- Puts rows back in every member, as changes of this one made on top of the group's deletes.
INSERT INTO {tracking} ({tracking_key}, local_version, local_incarnation, changed_at, change_kind, is_tombstone, seen, xid)
SELECT {u_key}, nextval('"DataSync".dss_version'), {p1}, clock_timestamp(), 'restored', false, u.seen, pg_current_xact_id()
FROM unnest({key_arrays}, {p2}::text[]) AS u ({u_names}, seen)
ON CONFLICT ({tracking_key}) DO UPDATE SET
  local_version = excluded.local_version,
  local_incarnation = excluded.local_incarnation,
  changed_at = excluded.changed_at,
  change_kind = excluded.change_kind,
  inside_apply = NULL,
  is_tombstone = false,
  seen = excluded.seen,
  xid = excluded.xid
