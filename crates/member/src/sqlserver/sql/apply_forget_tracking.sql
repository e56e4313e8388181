-- Takes the marks away from cells that had no tracking row.
DELETE t FROM {keys} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match} WHERE t.[apply_batch] = @P2
