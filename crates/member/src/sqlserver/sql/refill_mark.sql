-- Marks cells as ones that this batch writes, so that the triggers are silent for them; tracking stays as it is. Those
-- without a tracking row get one for the moment.
UPDATE t SET [apply_batch] = @P2 FROM {keys} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match};
INSERT INTO {tracking} ({tracking_key}, [is_local], [is_tombstone], [seen], [apply_batch])
SELECT {u_key}, 0, 0, '', @P2 FROM {keys}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match});
