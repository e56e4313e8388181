-- The changes of one stretch of transactions that the target snapshot sees, after a row, with the rows as they are in
-- this very snapshot. The inner query can only go by its index, and each row is found by its key.
SELECT t.xid, t.local_version, t.local_incarnation, t.changed_at, t.change_kind, t.inside_apply, t.seen,
  b.{first_key} IS NULL, {columns}
FROM (
  SELECT * FROM {tracking} AS i
  WHERE i.local_version IS NOT NULL AND (i.xid, i.local_version) > ($1::xid8, $2::int8) AND i.xid < $3::xid8
  AND pg_visible_in_snapshot(i.xid, $4::text::pg_snapshot)
  ORDER BY i.xid, i.local_version
  LIMIT $5::int8
) AS t
LEFT JOIN {base} AS b ON {same}
ORDER BY t.xid, t.local_version
