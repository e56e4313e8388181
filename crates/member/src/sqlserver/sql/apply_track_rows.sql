-- Gives rows that the first scan did not see changes of their own, so that they are captured.
INSERT INTO {tracking} ({tracking_key}, [local_version], [local_incarnation], [is_local], [is_tombstone], [seen])
SELECT {u_key}, NEXT VALUE FOR [DataSync].[dss_version], NULLIF(@P2, ''), 1, 0, '' FROM {keys}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match})
