-- What an operator runs to write a row.
IF EXISTS (SELECT 1 FROM {base} AS b WHERE {same})
  UPDATE b SET {updates} FROM {base} AS b WHERE {same};
ELSE
BEGIN
  {identity_on}INSERT INTO {base} ({names}) VALUES ({values});{identity_off}
END
