-- Writes rows that are not there. The conflict names the primary key: without it a violation of another unique index
-- would be swallowed. Which were written shows in the count.
INSERT INTO {base} ({insert_columns}) OVERRIDING SYSTEM VALUE
SELECT {u_values} FROM unnest({value_arrays}) AS u ({u_value_names})
ON CONFLICT ({key}) DO NOTHING
