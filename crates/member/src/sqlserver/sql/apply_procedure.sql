-- What apply does to the rows of a table, one step a call; rows come as JSON. 'read' locks the rows of keys and tells which
-- are there and what their tracking rows say ('parents': the same for rows that are to be deleted and that others may
-- refer to), 'mark' marks cells with the batch's number @P5, 'insert', 'update' and 'delete' write rows. The last three
-- steps and 'mark' tell how many rows they were about. The first parameter's name tells the columns that rows have, so
-- that the server refuses a call which was made for others.
CREATE PROCEDURE {procedure}
  {step} varchar(10),
  @P1 nvarchar(max),
  @P2 nvarchar(max) = NULL,
  @P3 nvarchar(max) = NULL,
  @P4 bit = NULL,
  @P5 bigint = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF {step} = 'read'
  BEGIN
{lock_rows};
{read_tracking};
  END
  IF {step} = 'parents'
  BEGIN
{lock_parents};
{read_tracking};
  END
  IF {step} = 'mark'
  BEGIN
{mark}
  END
  IF {step} = 'insert'
  BEGIN
{insert_rows}
  END
{update}  IF {step} = 'delete'
  BEGIN
{delete_rows}
  END
END
