-- The values by which others refer to a row.
SELECT {referenced} FROM {parent} AS b WHERE {base_match}
