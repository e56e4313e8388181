//! What every adapter has to do with resolved records.
