-- The highest version and batch that a tracking table knows.
SELECT COALESCE(MAX(CASE WHEN t.[local_version] > COALESCE(t.[apply_batch], 0) THEN t.[local_version] ELSE t.[apply_batch] END), 1)
FROM {tracking} AS t
