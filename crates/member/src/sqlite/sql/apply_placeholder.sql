-- Takes a row's unique value away for the moment, so that another row can have it.
UPDATE OR ABORT {base} AS b SET {column} = {p1} WHERE {base_match}
