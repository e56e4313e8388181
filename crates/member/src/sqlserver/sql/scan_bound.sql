-- Keys from so many rows on.
SELECT {columns}
FROM {base} AS b
WHERE {range}
ORDER BY {key}
OFFSET {offset} ROWS FETCH NEXT {rows} ROWS ONLY
