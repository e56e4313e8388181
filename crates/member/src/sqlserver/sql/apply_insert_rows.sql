-- Writes rows that are not there, under the locks on their keys. Which were there all the same shows in the count.
{identity_on}INSERT INTO {base} ({insert_columns})
SELECT {u_values} FROM {rows}
WHERE NOT EXISTS (SELECT 1 FROM {base} AS b WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE {base_match});
DECLARE @written int = @@ROWCOUNT;
{identity_off}SELECT @written;
