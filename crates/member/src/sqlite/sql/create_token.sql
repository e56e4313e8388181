-- What capture committed last before it published: proves that this file has not gone back in time.
CREATE TABLE "DataSync_dss_token" (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  counter INTEGER NOT NULL,
  token_id TEXT NOT NULL,
  previous TEXT,
  position TEXT NOT NULL,
  highest_version INTEGER NOT NULL
)
