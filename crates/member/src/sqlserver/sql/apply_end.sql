-- The triggers speak again for every cell.
SET XACT_ABORT ON;
EXEC sys.sp_set_session_context @key = N'dss_apply', @value = NULL;
