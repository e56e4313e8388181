-- Has rows captured that the first scan may not have seen, as that scan's rows once more.
INSERT INTO {tracking}
  ({tracking_key}, [local_version], [local_incarnation], [is_local], [change_kind], [is_tombstone], [seen])
SELECT {u_key}, NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 'first_scan', 0, @P3 FROM {keys}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match})
