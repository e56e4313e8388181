-- Rows that a user's statement may be about to replace, because they have the same unique values: SQLite deletes
-- them without a word to the delete trigger. A statement that does not come to its end leaves them here.
CREATE TABLE {replaced} (
  probe TEXT NOT NULL,
  {key_definitions},
  PRIMARY KEY (probe, {key})
) WITHOUT ROWID
