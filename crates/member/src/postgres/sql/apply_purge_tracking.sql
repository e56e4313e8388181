-- Forgets expired tombstones, unless users have changed the cells meanwhile.
DELETE FROM {tracking} AS t USING unnest({key_arrays}, {p1}::int8[]) AS u ({u_names}, version)
WHERE {tracking_match} AND t.is_tombstone AND t.local_version IS NOT DISTINCT FROM u.version
