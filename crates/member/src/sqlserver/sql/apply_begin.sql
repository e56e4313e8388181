-- A number for the batch; none is ever given twice, and no cell bears it yet. From here on the triggers leave the cells
-- alone that bear it. The session keeps it until it is taken away, whatever becomes of the transaction.
DECLARE @batch bigint = NEXT VALUE FOR [DataSync].[dss_batch];
EXEC sys.sp_set_session_context @key = N'dss_apply', @value = @batch;
BEGIN TRANSACTION;
SELECT @batch;
