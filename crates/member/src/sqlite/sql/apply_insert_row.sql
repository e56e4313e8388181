-- OR ABORT stands against an ON CONFLICT clause in the table's definition, which would delete another row or drop
-- this one without a word.
INSERT OR ABORT INTO {base} ({insert_columns}) VALUES ({insert_parameters})
