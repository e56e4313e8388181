//! Incarnation names, kept once a thread: they repeat in every record, and each would be an allocation.

use std::cell::RefCell;
use tributary_model::Incarnation;

/// A group has a handful of incarnations; foreign names can only push each other out.
const SLOTS: usize = 64;

thread_local! {
    static NAMES: RefCell<[Option<Incarnation>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) };
}

/// The incarnation of this name; `None` when it is not one.
pub(crate) fn incarnation(text: &str) -> Option<Incarnation> {
    NAMES.with_borrow_mut(|names| {
        let slot = &mut names[slot(text.as_bytes())];
        match slot {
            Some(known) if known.as_str() == text => Some(known.clone()),
            _ => {
                let parsed = Incarnation::parse(text).ok()?;
                *slot = Some(parsed.clone());
                Some(parsed)
            }
        }
    })
}

fn slot(text: &[u8]) -> usize {
    let hash =
        text.iter().fold(text.len(), |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    hash % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shared_and_checked() {
        let first = incarnation("hq~2").unwrap();
        let again = incarnation("hq~2").unwrap();
        assert!(std::ptr::eq(first.as_str(), again.as_str()));
        assert_eq!(incarnation("HQ"), None);
        assert_eq!(incarnation("hq~2").unwrap().as_str(), "hq~2");
    }

    #[test]
    fn names_that_share_a_slot_do_not_mix() {
        for number in 2..1000 {
            let name = format!("till~{number}");
            assert_eq!(incarnation(&name).unwrap().as_str(), name);
        }
    }
}
