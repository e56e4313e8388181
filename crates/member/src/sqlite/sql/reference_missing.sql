-- Whether a row refers to one that is not there.
SELECT 1 FROM {base} AS b
WHERE {base_match} AND {set} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {same})
