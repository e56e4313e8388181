-- The token as stored.
SELECT [counter], [token_id], [previous], [position], [highest_version]
FROM [DataSync].[dss_token]
WHERE [id] = 1
