-- A token on top of the one that it names.
UPDATE [DataSync].[dss_token]
SET [counter] = @P1, [token_id] = @P2, [previous] = @P4, [position] = @P3, [highest_version] = @highest
WHERE [id] = 1 AND [token_id] = @P4;
SET @written = @@ROWCOUNT;
