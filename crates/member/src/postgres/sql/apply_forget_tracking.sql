-- Takes the marks away from cells that had no tracking row.
DELETE FROM {tracking} AS t USING {keys} WHERE {tracking_match} AND t.apply_batch = {p1}
