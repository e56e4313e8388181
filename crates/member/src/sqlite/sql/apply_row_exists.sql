-- Whether a row is there.
SELECT 1 FROM {base} AS b WHERE {base_match}
