-- Token and claims in one transaction; taken back where another token stands, listings have to be looked through, or a
-- table has gained columns since it was read.
DECLARE @written int = 0;
DECLARE @listed int = 0;
DECLARE @highest bigint = 0;
DECLARE @refilled nvarchar(400) = NULL;
BEGIN TRANSACTION;
SELECT @highest = NEXT VALUE FOR [DataSync].[dss_version];
SET @highest = @highest - 1;
{writes}
IF EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] WHERE [parked_at] = 'capture') SET @listed = 1;
IF @written = 1 AND @listed = 0 AND @refilled IS NULL COMMIT TRANSACTION;
ELSE ROLLBACK TRANSACTION;
SELECT @written, @listed, @highest, (SELECT [token_id] FROM [DataSync].[dss_token] WHERE [id] = 1), @refilled
