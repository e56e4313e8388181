-- Which of these rows lie within what the first scan has claimed, in the order in which it reads the keys.
SELECT u.[place] FROM {keys} INNER LOOP JOIN {base} AS b ON {base_match} CROSS JOIN {claim}
WHERE {within_claim}
