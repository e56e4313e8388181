//! What a run met on its way, so that a test can tell that it tested something.

/// Something that only some runs meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    FastForward,
    Agreed,
    Completed,
    IncomingWon,
    HeldWon,
    Merged,
    Duplicate,
    CommandTaken,
    CommandOutdated,
    Restored,
    AlreadyThere,
    LocalIsNewer,
    SameContent,
    Written,
    Parked,
    Unparked,
    CompareAndSetMissed,
    Superseded,
    Renamed,
    WentBack,
    Rejoined,
    Restated,
    Lost,
    /// A change of a member that shows a column less precisely left it as it is.
    Repeated,
    /// A row that was there before had a column more precisely than another one.
    Refined,
    /// What a subscriber's user had written gave way.
    Overwritten,
    Gained,
    Refilled,
    /// A gained column had been given a value before it was watched.
    GivenMeanwhile,
    /// Apply had a row captured once more that it could not tell from one that was written past the triggers.
    Passed,
    /// The resolver knew such a row already.
    Known,
    /// Apply wrote a row over a copy that held this very image: an effort that rule 3 is there to save.
    WrittenAgain,
}

impl Situation {
    pub const ALL: [Self; 32] = [
        Self::FastForward,
        Self::Agreed,
        Self::Completed,
        Self::IncomingWon,
        Self::HeldWon,
        Self::Merged,
        Self::Duplicate,
        Self::CommandTaken,
        Self::CommandOutdated,
        Self::Restored,
        Self::AlreadyThere,
        Self::LocalIsNewer,
        Self::SameContent,
        Self::Written,
        Self::Parked,
        Self::Unparked,
        Self::CompareAndSetMissed,
        Self::Superseded,
        Self::Renamed,
        Self::WentBack,
        Self::Rejoined,
        Self::Restated,
        Self::Lost,
        Self::Repeated,
        Self::Refined,
        Self::Overwritten,
        Self::Gained,
        Self::Refilled,
        Self::GivenMeanwhile,
        Self::Passed,
        Self::Known,
        Self::WrittenAgain,
    ];
}

/// A set of situations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met(u32);

impl Met {
    pub fn add(&mut self, situation: Situation) {
        self.0 |= 1 << situation as u32;
    }

    pub fn add_all(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub fn has(self, situation: Situation) -> bool {
        self.0 & (1 << situation as u32) != 0
    }
}
