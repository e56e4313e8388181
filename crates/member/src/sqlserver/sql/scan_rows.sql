-- Rows that nobody has changed since provisioning.
SELECT {columns}
FROM {base} AS b
WHERE {range} AND {untracked}
ORDER BY {key}
