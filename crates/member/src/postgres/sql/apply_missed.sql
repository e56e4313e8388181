-- Which of these cells are not marked: their tracking rows were others at the write than at the read.
SELECT u.place FROM {keys}
WHERE NOT EXISTS (SELECT FROM {tracking} AS t WHERE {tracking_match} AND t.apply_batch = {p1})
ORDER BY u.place
