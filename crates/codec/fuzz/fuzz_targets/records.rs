//! Foreign bytes as records of every kind. Corpus: `corpus/records`, replayed by the ordinary tests too.

#![no_main]

#[path = "../exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    exercise::exercise(data);
});
