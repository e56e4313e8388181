//! Databases behind one trait: the SQLite adapter and the contract suite.
