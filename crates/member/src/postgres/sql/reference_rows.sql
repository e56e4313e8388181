-- The rows that refer to these values, a bounded number for each: what tells them apart, and the values by which
-- others refer to them in turn.
SELECT u.place, c.* FROM unnest({arrays}) WITH ORDINALITY AS u ({names}, place)
CROSS JOIN LATERAL (SELECT {selected} FROM {child} AS c WHERE {same} LIMIT {most}) AS c
