-- Rows that could not be published ('capture') and records that could not be written ('apply'). Times are ticks of
-- 100 ns since 1970-01-01. `waits_for` tells what row a record waits for, so that its arrival makes it due.
CREATE TABLE "DataSync_dss_exceptions" (
  id INTEGER NOT NULL PRIMARY KEY,
  parked_at TEXT NOT NULL,
  table_name TEXT NOT NULL,
  key BLOB,
  key_text TEXT NOT NULL,
  vv TEXT NOT NULL DEFAULT '',
  generation INTEGER,
  partition INTEGER,
  log_offset INTEGER,
  kind TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 1,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  waits_for BLOB,
  payload BLOB
)
