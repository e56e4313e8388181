-- Whether there is a row to refer to by these values.
SELECT 1 FROM {parent} AS p WHERE {same}
