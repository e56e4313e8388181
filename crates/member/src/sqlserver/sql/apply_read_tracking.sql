-- What apply's decisions are made on, as it stands when the rows' locks are held. A version of NULL means: no change of
-- this member's own.
SELECT u.[place], t.[local_version], t.[local_incarnation], t.[seen], t.[is_tombstone], t.[apply_batch],
  CONVERT(nvarchar(40), t.[changed_at], 126), t.[change_kind], t.[inside_apply]
FROM {keys} INNER LOOP JOIN {tracking} AS t WITH (UPDLOCK, ROWLOCK) ON {tracking_match}
