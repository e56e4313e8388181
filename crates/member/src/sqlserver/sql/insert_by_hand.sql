-- The same for a row that has nothing but its key.
IF NOT EXISTS (SELECT 1 FROM {base} AS b WHERE {same})
BEGIN
  {identity_on}INSERT INTO {base} ({names}) VALUES ({values});{identity_off}
END
