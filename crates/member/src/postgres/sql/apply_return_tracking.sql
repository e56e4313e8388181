-- Gives tracking rows back what they held before their records were refused.
UPDATE {tracking} AS t SET
  is_tombstone = u.tombstone,
  seen = u.seen,
  apply_batch = u.batch,
  local_version = u.version,
  local_incarnation = u.incarnation,
  changed_at = u.changed_at,
  change_kind = u.kind,
  inside_apply = u.inside_apply,
  xid = u.xid
FROM unnest(
  {key_arrays}, {p2}::bool[], {p3}::text[], {p4}::int8[], {p5}::int8[], {p6}::text[], {p7}::timestamptz[],
  {p8}::text[], {p9}::bool[], {p10}::xid8[]
) AS u ({u_names}, tombstone, seen, batch, version, incarnation, changed_at, kind, inside_apply, xid)
WHERE {tracking_match} AND t.apply_batch = {p1}
