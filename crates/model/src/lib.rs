//! The words of the protocol as types: values, keys, tables, changes, resolved records, version vectors.
