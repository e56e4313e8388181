-- Live changes after a position, committed or held back.
SELECT COUNT_BIG(*)
FROM {tracking} AS t
WHERE t.[is_local] = 1 AND t.[row_version] >= @P1 AND (t.[row_version] > @P1 OR t.[local_version] > @P2)
