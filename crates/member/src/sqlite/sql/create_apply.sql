-- Holds a row only inside a transaction of apply's: the batch whose cells the triggers leave alone.
CREATE TABLE "DataSync_dss_apply" (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  batch INTEGER NOT NULL
)
