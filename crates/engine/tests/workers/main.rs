//! The services against a log that fails, fences and forgets: several workers for one task, changes that are gone,
//! records that nobody can read. Here with the embedded log; `workers_kafka` puts a broker under the same cases.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cases;
mod faulty;
mod gate;
mod stage;

macro_rules! tests {
    ($($part:ident { any: $($any:ident),*; embedded: $($embedded:ident),*; })+) => {
        $(mod $part {
            $(#[test]
            fn $any() {
                crate::cases::$part::$any();
            })*
            $(#[test]
            fn $embedded() {
                crate::cases::$part::$embedded();
            })*
        })+
    };
}

cases::all!(tests);
