-- Gives rows the group's values, where they still hold what nobody has given them.
UPDATE b SET {assignments} FROM {rows} INNER LOOP JOIN {base} AS b WITH (ROWLOCK) ON {base_match} WHERE {still};
SELECT @@ROWCOUNT;
