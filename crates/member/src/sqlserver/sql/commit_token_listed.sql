-- The same inside of a transaction that goes on.
DECLARE @written int = 0;
DECLARE @highest bigint = 0;
DECLARE @refilled nvarchar(400) = NULL;
SELECT @highest = NEXT VALUE FOR [DataSync].[dss_version];
SET @highest = @highest - 1;
{writes}
SELECT @written, 0, @highest, (SELECT [token_id] FROM [DataSync].[dss_token] WHERE [id] = 1), @refilled
