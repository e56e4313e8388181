-- Marks the cells that apply is about to write, each only if its tracking row is still what the decision was made on: none,
-- one without a change of this member's own, or one with this very change. How many were marked tells whether all were.
DECLARE @marked int = 0;
INSERT INTO {tracking} ({tracking_key}, [is_local], [is_tombstone], [seen], [apply_batch])
SELECT {u_key}, 0, @P4, u.[seen], @P5 FROM {new_marks}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {tracking_match});
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET [is_tombstone] = @P4, [seen] = u.[seen], [apply_batch] = @P5
FROM {settled_marks} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match}
WHERE t.[local_version] IS NULL;
SET @marked = @marked + @@ROWCOUNT;
UPDATE t SET
  [is_tombstone] = @P4,
  [seen] = u.[seen],
  [apply_batch] = @P5,
  [local_version] = NULL,
  [is_local] = 0,
  [local_incarnation] = NULL,
  [changed_at] = NULL,
  [change_kind] = NULL,
  [inside_apply] = NULL
FROM {local_marks} INNER LOOP JOIN {tracking} AS t WITH (ROWLOCK) ON {tracking_match}
WHERE t.[local_version] = u.[version] AND ISNULL(t.[local_incarnation], '') = ISNULL(u.[incarnation], '');
SET @marked = @marked + @@ROWCOUNT;
SELECT @marked;
