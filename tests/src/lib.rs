//! Whole-system tests live in `tests/`; here is what several of them say alike.

/// The tables of the Chinook data set, parents first.
pub const CHINOOK_TABLES: [&str; 11] = [
    "Artist",
    "Album",
    "MediaType",
    "Genre",
    "Track",
    "Playlist",
    "PlaylistTrack",
    "Employee",
    "Customer",
    "Invoice",
    "InvoiceLine",
];
