-- From now on the table's versions bear another name. Where its first scan has not begun, so do its untracked rows; what
-- is known keeps its name.
UPDATE {tracking} SET [local_incarnation] = {first}
WHERE [local_version] <= {sure} AND [local_incarnation] IS NULL
AND EXISTS (SELECT 1 FROM [DataSync].[dss_tables] WHERE [table_name] = {table_name} AND [scan_claim] = 'pending');
UPDATE [DataSync].[dss_tables]
SET [incarnation] = {name},
  [first_incarnation] = CASE WHEN [scan_claim] = 'pending' THEN {name} ELSE [first_incarnation] END
WHERE [table_name] = {table_name}
