-- Takes away the tracking rows that were there for the moment only: what was ever applied has a vector.
DELETE FROM {tracking} AS t USING {keys}
WHERE {tracking_match} AND t.local_version IS NULL AND t.seen = '' AND t.apply_batch = {number}::int8
