-- Which of these cells are not marked: their tracking rows were others at the write than at the read.
SELECT u.[place] FROM {keys}
WHERE NOT EXISTS (SELECT 1 FROM {tracking} AS t WITH (UPDLOCK) WHERE {tracking_match} AND t.[apply_batch] = @P2)
ORDER BY u.[place]
