-- Makes the triggers' function, with the number of the key's constraint in it.
BEGIN
  EXECUTE format({function}, coalesce((
    SELECT k.oid FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = {base_name}::regclass AND k.contype = 'p'
  ), 0));
END
