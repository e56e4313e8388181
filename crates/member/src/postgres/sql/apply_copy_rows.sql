-- The same for many rows at once; one that is there by now is an error.
COPY {base} ({insert_columns}) FROM STDIN (FORMAT binary)
