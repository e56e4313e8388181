-- Every row's synchronised columns, in one statement and therefore in one snapshot.
SELECT {columns} FROM {base} AS b
