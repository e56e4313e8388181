-- The rows that hold the values of a unique constraint.
SELECT {base_key} FROM {base} AS b WHERE {same} AND NOT ({base_match})
