-- Gives tracking rows back what they held before their records were refused.
UPDATE t SET
  [is_tombstone] = u.[tombstone],
  [seen] = u.[seen],
  [apply_batch] = u.[batch],
  [local_version] = u.[version],
  [is_local] = CASE WHEN u.[version] IS NULL THEN 0 ELSE 1 END,
  [local_incarnation] = u.[incarnation],
  [changed_at] = u.[changed_at],
  [change_kind] = u.[kind],
  [inside_apply] = u.[inside_apply]
FROM {returned} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match}
WHERE t.[apply_batch] = @P2
