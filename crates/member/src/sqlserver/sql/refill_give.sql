-- Rows that somebody has given a value of its own, in columns that the triggers did not know of, become changes. One of the
-- first scan's that is captured once more is no longer that: the group does not know its value.
UPDATE t SET
  [seen] = CASE
    WHEN t.[local_version] IS NOT NULL AND ISNULL(t.[local_incarnation], '') <> @P2
      THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], {first}) + ':' + CAST(t.[local_version] AS varchar(20)))
    ELSE t.[seen]
  END,
  [change_kind] = CASE WHEN t.[local_version] IS NULL OR t.[change_kind] = 'first_scan' THEN 'restated' ELSE t.[change_kind] END,
  [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
  [local_incarnation] = NULLIF(@P2, ''),
  [is_local] = 1,
  [is_tombstone] = 0
FROM {keys} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match};
INSERT INTO {tracking}
  ({tracking_key}, [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT {u_key}, NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'restated', 0, {first_seen} FROM {keys}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match});
