-- Puts rows back in every member, as changes of this one made on top of the group's deletes.
UPDATE t SET
  [local_version] = NEXT VALUE FOR [DataSync].[dss_version],
  [local_incarnation] = NULLIF(@P2, ''),
  [is_local] = 1,
  [changed_at] = SYSUTCDATETIME(),
  [change_kind] = 'restored',
  [inside_apply] = NULL,
  [is_tombstone] = 0,
  [seen] = u.[seen],
  [apply_batch] = NULL
FROM {seens} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match};
INSERT INTO {tracking}
  ({tracking_key}, [local_version], [local_incarnation], [is_local], [changed_at], [change_kind], [is_tombstone], [seen])
SELECT {u_key}, NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, SYSUTCDATETIME(), 'restored', 0, u.[seen] FROM {seens}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match});
