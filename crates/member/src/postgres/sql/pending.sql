-- How many changes the previous snapshot does not see, but for those that were read already.
SELECT count(*)
FROM {tracking} AS t
WHERE t.local_version IS NOT NULL
AND (t.xid >= $1::xid8 OR t.xid = ANY ($2::text[]::xid8[]))
AND NOT ($3::text IS NOT NULL AND pg_visible_in_snapshot(t.xid, $3::text::pg_snapshot)
  AND (t.xid, t.local_version) <= ($4::xid8, $5::int8))
