-- The synchronised columns of these rows.
SELECT u.[place], {columns} FROM {keys} INNER LOOP JOIN {base} AS b WITH (UPDLOCK, ROWLOCK) ON {base_match}
