-- One exception for each row and end. A row without a usable key goes by its text. Hashed, since an index holds no long
-- keys.
CREATE UNIQUE INDEX dss_exceptions_row ON "DataSync".dss_exceptions
  (parked_at, table_name, sha256(coalesce(key, decode(md5(key_text), 'hex'))))
