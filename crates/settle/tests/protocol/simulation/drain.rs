//! Lets the group come to rest: everything is published, settled, applied, tried again.

use super::{Event, Setup, Violation, World};
use tributary_settle::Invariant;

/// More rounds than any finite conversation between four members takes.
const ROUNDS: usize = 60;

impl World {
    /// Runs all workers until nothing is left to do, then checks everything. I3: it must come to an end.
    pub fn drain(&mut self, setup: &Setup) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            let any = self.round(setup);
            if let Some(violation) = &self.violation {
                return Err(violation.as_ref().clone());
            }
            if !any {
                if !self.is_at_rest(setup) {
                    return Err(Violation::new(Invariant::NoEcho, format!("stuck: {self:?}")));
                }
                return self.check(setup);
            }
        }
        Err(Violation::new(
            Invariant::NoEcho,
            format!("after {ROUNDS} rounds there is still something to publish"),
        ))
    }

    /// Every worker once, without refusals but those of the members' own constraints.
    fn round(&mut self, setup: &Setup) -> bool {
        let mut any = false;
        for member in 0..self.members.len() {
            any |= self.step(setup, &Event::Crash { member });
            any |= self.step(setup, &Event::Claim { member }) && self.step(setup, &Event::Rejoin { member });
            for cell in 0..self.cells.len() {
                any |= self.step(setup, &Event::Recapture { member, cell });
            }
            any |= self.step(setup, &Event::ReadPage { member, cells: u8::MAX });
            any |= self.step(setup, &Event::PublishPage { member });
            any |= self.step(setup, &Event::StartRefill { member });
        }
        for cell in 0..self.cells.len() {
            any |= self.step(setup, &Event::RestartResolver { cell, state: usize::MAX });
            any |= self.step(setup, &Event::Resolve { cell, count: usize::MAX / 2 });
            any |= self.step(setup, &Event::CarryOut { cell });
            for member in 0..self.members.len() {
                any |= self.step(setup, &Event::Refill { member, cell });
                any |= self.step(setup, &Event::ReadBatch { member, cell, count: 1 });
                any |= self.step(setup, &Event::WriteBatch { member, refuse: false });
                any |= self.step(setup, &Event::Retry { member, cell, refuse: false });
            }
        }
        any
    }
}
