-- The rows that refer to these values: what tells them apart, and the values by which others refer to them in turn.
SELECT {identity}{onward} FROM {child} AS c WHERE {same}
