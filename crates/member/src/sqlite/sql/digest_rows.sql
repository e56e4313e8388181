-- Every row's key and synchronised columns, in one statement and therefore in one snapshot.
SELECT {key}, {columns} FROM {base} AS b
