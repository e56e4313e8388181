-- The first token.
INSERT INTO [DataSync].[dss_token] ([id], [counter], [token_id], [previous], [position], [highest_version])
SELECT 1, @P1, @P2, NULL, @P3, @highest
WHERE NOT EXISTS (SELECT 1 FROM [DataSync].[dss_token] WITH (UPDLOCK, HOLDLOCK));
SET @written = @@ROWCOUNT;
