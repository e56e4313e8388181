-- Locks the rows of these keys, and the gaps where there are none, in their order, as a user's statement would lock them
-- before its trigger writes tracking rows. Tells which are there. {strength} is XLOCK where rows are deleted that others
-- may refer to: an update lock does not keep a foreign key's check from passing.
SELECT u.[place] FROM {keys} INNER LOOP JOIN {base} AS b WITH ({strength}, HOLDLOCK, ROWLOCK) ON {base_match}
