-- Marks cells without a change of this member's own; nothing happens to those that have one by now. The local columns
-- are NULL already and left alone, so that the index for polling is not touched.
UPDATE {tracking} AS t SET is_tombstone = {p2}, seen = u.seen, apply_batch = {p3}
FROM unnest({key_arrays}, {p1}::text[]) AS u ({u_names}, seen)
WHERE {tracking_match} AND t.local_version IS NULL
