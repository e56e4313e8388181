-- The gained columns of rows that are there, each followed by whether it holds what nobody has given it.
SELECT u.[place], {columns}
FROM {keys} INNER LOOP JOIN {base} AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) ON {base_match}
