-- Moves offsets from where they are expected; what is elsewhere by now is not moved, which its count tells.
INSERT INTO "DataSync".dss_offsets AS o (topic, generation, partition, next_offset, log_id)
SELECT u.topic, u.generation, u.partition, u.next, $6::text::uuid
FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[])
  AS u (topic, generation, partition, expected, next)
ON CONFLICT (topic, generation, partition) DO UPDATE SET next_offset = excluded.next_offset
WHERE o.log_id = excluded.log_id AND o.next_offset = (
  SELECT u.expected FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[])
    AS u (topic, generation, partition, expected)
  WHERE u.topic = excluded.topic AND u.generation = excluded.generation AND u.partition = excluded.partition
)
