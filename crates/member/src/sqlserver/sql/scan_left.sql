-- Whether there are such rows.
SELECT TOP (1) 1
FROM {base} AS b
WHERE {range} AND {untracked}
ORDER BY {key}
