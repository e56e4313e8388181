-- Keeps capture from committing a token until this transaction ends: a page that is about to be published is committed by
-- now, or will find that its table waits. A write, since not every server keeps a lock that is only asked for.
UPDATE [DataSync].[dss_token] WITH (HOLDLOCK) SET [counter] = [counter] WHERE [id] = 1
