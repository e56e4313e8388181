-- Rows by their keys.
SELECT k.[n], {columns}
FROM (VALUES
  {keys}
) AS k ([n], {names})
INNER JOIN {base} AS b ON {same}
