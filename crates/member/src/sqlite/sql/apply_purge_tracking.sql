-- Forgets an expired tombstone, unless the user has changed the cell meanwhile.
DELETE FROM {tracking} WHERE {tracking_match} AND is_tombstone = 1 AND local_version IS {p1}
