-- The offsets of a batch, locked: whoever applies to the same partitions waits here.
SELECT u.place, o.next_offset, o.log_id::text
FROM unnest($1::text[], $2::int8[], $3::int8[]) WITH ORDINALITY AS u (topic, generation, partition, place)
JOIN "DataSync".dss_offsets AS o
  ON o.topic = u.topic AND o.generation = u.generation AND o.partition = u.partition
ORDER BY u.place
FOR UPDATE OF o
