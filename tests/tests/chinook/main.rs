//! The Chinook data set in a group with the embedded log; `kafka/chinook.rs` plays the same story on Kafka.

#![allow(clippy::unwrap_used, reason = "a test")]

mod story;

use tributary_testkit::GroupFolder;

#[test]
fn chinook_is_synchronised_into_two_empty_members_and_edited_on_all_sides() {
    let seed: u64 = rand::random();
    println!("seed={seed}");
    let edits = story::play(&GroupFolder::new(&story::MEMBERS, &story::TABLES, ""), seed);
    println!("{edits} edits on three sides");
}
