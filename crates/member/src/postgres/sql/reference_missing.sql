-- Which of these values refer to a row that is not there.
SELECT u.place FROM unnest({arrays}) WITH ORDINALITY AS u ({names}, place)
WHERE NOT EXISTS (SELECT FROM {parent} AS p WHERE {same})
