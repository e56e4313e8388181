-- The synchronised columns of these rows.
SELECT u.place, {columns} FROM {keys} JOIN {base} AS b ON {base_match}
