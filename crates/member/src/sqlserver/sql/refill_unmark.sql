-- Takes away the tracking rows that were there for the moment only: what was ever applied has a vector.
DELETE t FROM {keys} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match}
WHERE t.[local_version] IS NULL AND t.[seen] = '' AND t.[apply_batch] = @P2
