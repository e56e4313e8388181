-- What an operator runs to delete a row.
DELETE b FROM {base} AS b WHERE {same};
