-- Rows that somebody has given a value of its own, in columns that the triggers did not know of, become changes. An
-- untracked row is the first version of the table's first life, which is what such a change was made on. One of the first scan's
-- that is captured once more is no longer that: the group does not know its value.
INSERT INTO {tracking} AS t (
  {tracking_key}, local_version, local_incarnation, xid, change_kind, is_tombstone, seen
)
SELECT {u_key}, nextval('"DataSync".dss_version'), {incarnation}::text, pg_current_xact_id(), 'restated', false, {first_seen}
FROM unnest({arrays}) AS u ({names}) JOIN {base} AS b ON {base_match} WHERE {given}
ON CONFLICT ({tracking_key}) DO UPDATE SET
  seen = CASE WHEN t.local_version IS NOT NULL AND t.local_incarnation IS DISTINCT FROM excluded.local_incarnation
    THEN btrim(t.seen || ' ' || coalesce(t.local_incarnation, {first}) || ':' || t.local_version) ELSE t.seen END,
  change_kind = CASE WHEN t.local_version IS NULL OR t.change_kind = 'first_scan' THEN 'restated' ELSE t.change_kind END,
  local_version = excluded.local_version,
  local_incarnation = excluded.local_incarnation,
  xid = excluded.xid,
  is_tombstone = false
