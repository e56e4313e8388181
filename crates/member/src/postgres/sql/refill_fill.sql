-- Gives the gained columns of rows the group's values, where nobody has given them one.
UPDATE {base} AS b SET {assignments} FROM unnest({arrays}) AS u ({names}) WHERE {base_match} AND ({untouched})
