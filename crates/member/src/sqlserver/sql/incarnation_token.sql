-- The token of the new life, whatever there was before.
DELETE FROM [DataSync].[dss_token];
INSERT INTO [DataSync].[dss_token] ([id], [counter], [token_id], [previous], [position], [highest_version])
VALUES (1, @P1, @P2, {previous}, @P3, @P4)
