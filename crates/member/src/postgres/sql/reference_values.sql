-- The values by which others refer to these rows.
SELECT u.place, {referenced} FROM {keys} JOIN {parent} AS b ON {base_match}
