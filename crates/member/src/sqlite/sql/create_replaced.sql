-- Rows that a user's statement may be about to replace, because they have the same unique values: SQLite deletes
-- them without a word to the delete trigger. What a statement leaves behind here means nothing.
CREATE TABLE {replaced} (
  probe TEXT NOT NULL,
  {key_definitions},
  PRIMARY KEY (probe, {key})
) WITHOUT ROWID
