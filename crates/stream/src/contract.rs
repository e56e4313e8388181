//! What every implementation of the log has to do, as functions that a test calls.
