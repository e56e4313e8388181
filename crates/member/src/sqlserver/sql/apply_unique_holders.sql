-- The rows that hold what others are to get in a unique index.
SELECT u.[place], {base_key} FROM {wanted} INNER JOIN {base} AS b WITH (UPDLOCK, ROWLOCK) ON {same}
WHERE NOT ({base_match})
