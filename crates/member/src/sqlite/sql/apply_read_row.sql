-- A row's synchronised columns.
SELECT {columns} FROM {base} AS b WHERE {base_match}
