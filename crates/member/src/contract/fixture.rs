//! What a check needs of a database.
