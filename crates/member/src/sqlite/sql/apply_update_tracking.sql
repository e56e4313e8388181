-- Marks a cell without a change of this member's own; nothing happens if there is one by now. The local columns are
-- NULL already and left alone, so that the index for polling is not touched.
UPDATE OR ABORT {tracking} SET is_tombstone = {p1}, seen = {p2}, apply_batch = {p3}
WHERE {tracking_match} AND local_version IS NULL
