-- Forgets expired tombstones, unless users have changed the cells meanwhile.
DELETE t FROM {versions} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match}
WHERE t.[is_tombstone] = 1 AND ISNULL(t.[local_version], -1) = ISNULL(u.[version], -1)
