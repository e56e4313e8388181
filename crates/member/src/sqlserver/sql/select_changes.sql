-- Live changes after a position and below what no open transaction can still write, with the rows of the same snapshot.
-- The plain comparison of the key finds each row by its index; `is_local` and `row_version` leave one index for the rest.
CREATE PROCEDURE {procedure}
  @after binary(8),
  @after_version bigint,
  @below binary(8),
  @rows int
AS
BEGIN
  SET NOCOUNT ON;
  SELECT TOP (@rows)
    CAST(t.[row_version] AS binary(8)),
    t.[local_version],
    t.[local_incarnation],
    t.[changed_at],
    t.[change_kind],
    t.[inside_apply],
    t.[seen],
    CASE WHEN b.{first} IS NULL THEN 1 ELSE 0 END,
    {columns}
  FROM {tracking} AS t
  LEFT JOIN {base} AS b ON {b_is_t}
  WHERE t.[is_local] = 1 AND t.[row_version] >= @after AND t.[row_version] < @below
  AND (t.[row_version] > @after OR t.[local_version] > @after_version)
  ORDER BY t.[row_version], t.[local_version];
END
