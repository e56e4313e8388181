//! Which edits a content was made on top of, exactly: one bit an edit.
//!
//! An edit's bit is told by who made it and how many he had made before, so that two orders of independent edits
//! give the same histories.

/// One edit of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EditId(u8);

/// Edits of one cell that each origin can make.
pub const EDITS_EACH: usize = 25;

impl EditId {
    /// The edit that `origin` makes after `before` others; none if the histories have no room for it.
    pub fn new(origin: usize, before: usize) -> Option<Self> {
        let bit = origin * EDITS_EACH + before;
        (before < EDITS_EACH && bit < 128).then_some(Self(bit as u8))
    }

    /// Who made it.
    pub fn origin(self) -> usize {
        usize::from(self.0) / EDITS_EACH
    }
}

/// A set of edits of one cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History(u128);

impl History {
    pub fn contains(self, edit: EditId) -> bool {
        self.0 & (1 << edit.0) != 0
    }

    #[must_use]
    pub fn with(self, edit: EditId) -> Self {
        Self(self.0 | 1 << edit.0)
    }

    #[must_use]
    pub fn without(self, edit: EditId) -> Self {
        Self(self.0 & !(1 << edit.0))
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The union of all histories of `images`.
    pub fn of_all(images: &[Self]) -> Self {
        images.iter().fold(Self::default(), |all, image| all.union(*image))
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let edits = (0..128_u8).filter(|bit| self.0 & (1 << bit) != 0).map(|bit| {
            let edit = EditId(bit);
            format!("{}{}", (b'a' + edit.origin() as u8) as char, usize::from(bit) % EDITS_EACH + 1)
        });
        f.debug_set().entries(edits).finish()
    }
}
