-- The next record that apply will read from each partition; written with the rows.
CREATE TABLE "DataSync_dss_offsets" (
  topic TEXT NOT NULL,
  generation INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  log_id TEXT NOT NULL,
  PRIMARY KEY (topic, generation, partition)
) WITHOUT ROWID
