-- The values by which others refer to these rows.
SELECT u.[place], {referenced} FROM {keys} INNER LOOP JOIN {base} AS b WITH (UPDLOCK, ROWLOCK) ON {base_match}
