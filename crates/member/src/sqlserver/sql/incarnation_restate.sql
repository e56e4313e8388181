-- Versions that are in doubt become later ones of the new incarnation.
UPDATE {tracking}
SET [local_version] = [local_version] + @P2, [local_incarnation] = @P3, [change_kind] = @P4
WHERE [local_version] > @P1;
SELECT @@ROWCOUNT
