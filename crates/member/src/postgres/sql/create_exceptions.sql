-- Rows that could not be published ('capture') and records that could not be written ('apply'). Times are ticks of
-- 100 ns since 1970-01-01. `waits_for` tells what row a record waits for, so that its arrival makes it due.
CREATE TABLE "DataSync".dss_exceptions (
  id int8 NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  parked_at text NOT NULL,
  table_name text NOT NULL,
  key bytea,
  key_text text NOT NULL,
  vv text NOT NULL DEFAULT '',
  generation int4,
  partition int4,
  log_offset int8,
  kind text NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  attempts int4 NOT NULL DEFAULT 1,
  first_at int8 NOT NULL,
  last_at int8 NOT NULL,
  due_at int8 NOT NULL,
  waits_for bytea,
  payload bytea
)
