-- Which of these values refer to a row that is not there.
SELECT u.[place] FROM {values}
WHERE NOT EXISTS (SELECT 1 FROM {parent} AS p WITH (READCOMMITTEDLOCK) WHERE {same})
