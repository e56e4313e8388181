//! The command line of Tributary: argument parsing and wiring only.

fn main() {}
