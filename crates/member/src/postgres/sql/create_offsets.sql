-- The next record that apply will read from each partition; written with the rows.
CREATE TABLE "DataSync".dss_offsets (
  topic text NOT NULL,
  generation int4 NOT NULL,
  partition int4 NOT NULL,
  next_offset int8 NOT NULL,
  log_id uuid NOT NULL,
  PRIMARY KEY (topic, generation, partition)
)
