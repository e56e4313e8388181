-- The rows that hold what others are to get in a unique constraint.
SELECT u.place, {read_key}
FROM unnest({key_arrays}, {wanted_arrays}) WITH ORDINALITY AS u ({u_names}, {wanted_names}, place)
JOIN {base} AS b ON {same} WHERE NOT ({base_match})
