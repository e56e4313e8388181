-- Makes rows refer to nothing for the moment: rows that refer to each other in a circle of tables are written, or deleted,
-- one table after the other.
UPDATE b SET {nulls} FROM {keys} INNER LOOP JOIN {base} AS b WITH (ROWLOCK) ON {base_match};
SELECT @@ROWCOUNT;
