-- Takes unique values away for the moment, so that other rows can have them.
UPDATE {base} AS b SET {column} = {value} FROM unnest({key_arrays}, {p1}::{placeholder_type}[]) AS u ({u_names}, value)
WHERE {base_match}
