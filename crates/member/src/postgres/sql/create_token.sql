-- What capture committed last before it published: proves that this database has not gone back in time.
CREATE TABLE "DataSync".dss_token (
  id int4 NOT NULL PRIMARY KEY CHECK (id = 1),
  counter int8 NOT NULL,
  token_id uuid NOT NULL,
  previous uuid,
  position text NOT NULL,
  highest_version int8 NOT NULL
)
