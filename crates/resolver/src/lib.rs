//! Orders the changes of each cell and settles conflicts.
