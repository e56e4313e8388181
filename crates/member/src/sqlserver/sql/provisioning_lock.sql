-- One at a time provisions a database.
DECLARE @got int;
EXEC @got = sp_getapplock @Resource = N'DataSync', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = {milliseconds};
SELECT @got
