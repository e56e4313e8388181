-- A number for the batch; none is ever given twice. From here to the transaction's end the triggers leave the cells
-- alone whose tracking rows bear it.
SELECT n.number, set_config('tributary.apply', n.number::text, true)
FROM nextval('"DataSync".dss_batch') AS n (number)
