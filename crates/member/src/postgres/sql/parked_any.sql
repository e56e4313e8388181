-- Whether anything waits for a row, and in which of these tables records are parked.
SELECT
  EXISTS (SELECT FROM "DataSync".dss_exceptions WHERE waits_for IS NOT NULL),
  ARRAY(
    SELECT EXISTS (
      SELECT FROM "DataSync".dss_exceptions AS e WHERE e.parked_at = 'apply' AND e.table_name = u.name
    )
    FROM unnest($1::text[]) WITH ORDINALITY AS u (name, place) ORDER BY u.place
  )
