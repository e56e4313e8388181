-- What a table looks like.
INSERT INTO [DataSync].[dss_tables] (
  [table_name], [local_schema], [local_table], [tracking_table], [generation], [first_incarnation], [incarnation],
  [scan_claim], [columns]
)
VALUES ({table_name}, {local_schema}, {local_table}, {tracking_table}, {generation}, {member}, {member}, 'pending', {columns})
