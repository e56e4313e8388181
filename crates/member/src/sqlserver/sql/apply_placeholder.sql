-- Takes unique values away for the moment, so that other rows can have them.
UPDATE b SET {column} = u.[value] FROM {placeholders} INNER LOOP JOIN {base} AS b WITH (ROWLOCK) ON {base_match};
SELECT @@ROWCOUNT;
