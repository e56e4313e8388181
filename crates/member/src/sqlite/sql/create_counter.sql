-- The last version given to a change of this member (1 stands for rows that were there before), and the last batch of
-- apply.
CREATE TABLE "DataSync_dss_counter" (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL,
  batch INTEGER NOT NULL
)
