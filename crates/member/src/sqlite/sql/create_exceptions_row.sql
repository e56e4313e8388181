-- One exception for each row and end. A row without a usable key goes by its text.
CREATE UNIQUE INDEX "DataSync_dss_exceptions_row" ON "DataSync_dss_exceptions" (parked_at, table_name, coalesce(key, key_text))
