SELECT table_name, local_schema, local_table, tracking_table, routine, generation, first_incarnation, incarnation, columns
FROM "DataSync".dss_tables
