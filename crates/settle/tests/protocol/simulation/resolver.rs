//! The resolver of one cell, with an oracle beside it that knows the exact ancestry of every content.

use super::columns::{check_columns, expected, known, settled_firsts, settled_origins, value_of};
use super::{
    COLUMNS, Cell, Command, EditId, History, Origins, Published, Settlement, Setup, Situation, Violation,
    World, Write, hash_row,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tributary_model::{Change, ChangeKind, ConflictRecord, Dot, Resolved, Row, Settled};
use tributary_settle::{Drop, Invariant, Resolution, Step, Violation as Ruled};

impl World {
    pub(super) fn resolve(&mut self, setup: &Setup, cell: usize, count: usize) -> bool {
        let upto = (self.cells[cell].consumed + count).min(self.cells[cell].changes.len());
        let any = self.cells[cell].consumed < upto;
        while self.cells[cell].consumed < upto && self.violation.is_none() {
            let published = Arc::clone(&self.cells[cell].changes[self.cells[cell].consumed]);
            self.settle(setup, cell, &published);
            self.cells[cell].consumed += 1;
        }
        any
    }

    pub(super) fn redeliver(&mut self, cell: usize, from: usize) -> bool {
        let of = &mut self.cells[cell];
        let earlier = from < of.consumed;
        of.consumed = of.consumed.min(from);
        earlier
    }

    /// A resolver that starts reads its own log to the end before it consumes, whatever state it finds.
    pub(super) fn restart_resolver(&mut self, setup: &Setup, cell: usize, state: usize) -> bool {
        let of = &mut self.cells[cell];
        let found = state.min(of.resolved.len());
        let held = if setup.discipline.rebuilds_state { of.resolved.len() } else { found };
        std::mem::replace(&mut of.held, held) != held
    }

    pub(super) fn command(&mut self, cell: usize, write: Write) -> bool {
        let of = &mut self.cells[cell];
        let Some(shown) = of.resolved.last() else { return false };
        let row = match write {
            Write::Put(values) => {
                Some(Row::of(values.into_iter().enumerate().map(|(column, number)| value_of(column, number))))
            }
            Write::PutFirst(value) => Some(Row::of((0..COLUMNS).map(|column| value_of(column, value)))),
            Write::Delete => None,
        };
        let command =
            Command { shown: shown.record.vv.clone(), row, history: History::of_all(&shown.images) };
        of.commands.push(command);
        true
    }

    pub(super) fn carry_out(&mut self, setup: &Setup, cell: usize) -> bool {
        let of = &mut self.cells[cell];
        if of.commands.is_empty() || of.held == 0 {
            return false;
        }
        let command = of.commands.remove(0);
        let version = of.resolved[of.held - 1].record.vv.get(&setup.operator).max(of.commands_given) + 1;
        of.commands_given = version;
        let Some(edit) = EditId::new(setup.members.len(), version as usize - 1) else { return false };
        let change = Change {
            dot: Dot::new(setup.operator.clone(), version),
            seen: command.shown,
            changed_at: Some(9),
            effective_at: Some(9),
            kind: ChangeKind::Operator,
            row: command.row,
        };
        let history = command.history.with(edit);
        of.commit(edit, history);
        of.published = of.published.with(edit);
        let origins = match (self.poor, &change.row) {
            (true, Some(_)) => [Some(edit); COLUMNS],
            _ => Origins::default(),
        };
        let dropped = self.settle(setup, cell, &Published::new(change, edit, history, origins));
        self.met.add(if dropped { Situation::CommandOutdated } else { Situation::CommandTaken });
        if dropped {
            // A refused command is no committed change.
            let of = &mut self.cells[cell];
            of.retract();
            of.published = of.published.without(edit);
        }
        true
    }

    /// One resolver step, checked against the ancestry. True if the change was refused as outdated.
    fn settle(&mut self, setup: &Setup, cell: usize, published: &Published) -> bool {
        let of = &self.cells[cell];
        let held = of.held.checked_sub(1).map(|index| Arc::clone(&of.resolved[index]));
        let state = held.as_ref().map(|held| &held.record);
        let step = Step { rules: &setup.table, key: &setup.key, now: 0 };
        let resolution = setup.rules.resolve(step, state, &published.change);
        if let Err(violation) = oracle(setup, of, held.as_deref(), published, &resolution) {
            self.report(violation);
        }
        match resolution {
            Resolution::Publish { record, conflict, .. } => {
                self.publish(setup, cell, held.as_deref(), published, *record, conflict);
                false
            }
            Resolution::Dropped(Drop::OutdatedCommand) => true,
            Resolution::Dropped(Drop::Duplicate) => {
                self.met.add(Situation::Duplicate);
                false
            }
            Resolution::Violated(_) => false,
        }
    }

    fn publish(
        &mut self,
        setup: &Setup,
        cell: usize,
        held: Option<&Settlement>,
        published: &Published,
        record: Resolved,
        conflict: Option<Box<ConflictRecord>>,
    ) {
        let of = &mut self.cells[cell];
        let previous = held.map(|held| held.winner);
        let incoming = record.winner == published.change.dot;
        let on_top = record.settled == Settled::FastForward;
        let merges = expected(setup, of, held, published, on_top, incoming).merged;
        let known = held.is_some() && known(of, published);
        let images = match held {
            Some(held) if known && !is_on_top(Some(held), published) => held.images.clone(),
            held => images_of(held, published, &record, incoming, merges),
        };
        let origins = if self.poor { settled_origins(held, published, &record) } else { Origins::default() };
        let firsts = settled_firsts(of, held, published, &record);
        for (situation, met) in poorer(held, published, &record) {
            if met {
                self.met.add(situation);
            }
        }
        let merged =
            held.is_some_and(|held| record.winner == held.record.winner && record.row != held.record.row);
        self.met.add(match record.settled {
            Settled::Agreed if known => Situation::Known,
            Settled::FastForward if conflict.is_some() => Situation::Restored,
            Settled::FastForward => Situation::FastForward,
            Settled::Agreed => Situation::Agreed,
            Settled::Completed => Situation::Completed,
            Settled::Conflict if incoming => Situation::IncomingWon,
            Settled::Conflict if merged => Situation::Merged,
            Settled::Conflict => Situation::HeldWon,
        });
        if let (Some(previous), Settled::Agreed | Settled::Completed, false) =
            (previous, record.settled, known)
        {
            of.agreed.push((previous, published.edit));
        }
        if let (true, Some(previous)) = (conflict.is_some() && setup.discipline.records_conflicts, previous) {
            let loser = if incoming { previous } else { published.edit };
            of.saved = of.saved.with(loser);
        }
        of.settled = of.settled.with(published.edit);
        if record.settled == Settled::Conflict && !incoming && !setup.discipline.publishes_kept_winner {
            return;
        }
        let winner = previous.filter(|_| !incoming).unwrap_or(published.edit);
        let settlement = Settlement { record, images, winner, origins, firsts, digest: 0 };
        of.resolved.push(Arc::new(settlement.digested()));
        of.held = of.resolved.len();
    }

    pub(super) fn report(&mut self, violation: Violation) {
        self.violation.get_or_insert_with(|| Box::new(violation));
    }
}

impl Settlement {
    fn digested(self) -> Self {
        let mut hasher = DefaultHasher::new();
        (&self.record.vv, &self.record.content, &self.images, self.winner).hash(&mut hasher);
        (self.origins, self.firsts).hash(&mut hasher);
        hash_row(self.record.row.as_ref(), &mut hasher);
        Self { digest: hasher.finish(), ..self }
    }
}

fn images_of(
    held: Option<&Settlement>,
    published: &Published,
    record: &Resolved,
    incoming: bool,
    merges: bool,
) -> Vec<History> {
    let mut images = held.map_or_else(Vec::new, |held| held.images.clone());
    match record.settled {
        Settled::Agreed => images.push(published.history),
        Settled::FastForward | Settled::Completed => images = vec![published.history],
        Settled::Conflict if incoming => images = vec![published.history],
        Settled::Conflict => {
            if merges {
                // The kept row took over what only the change has of it.
                images = images.iter().map(|image| image.union(published.history)).collect();
            }
        }
    }
    images
}

/// Whether the change was made on top of what is settled, by the exact ancestry.
fn is_on_top(held: Option<&Settlement>, published: &Published) -> bool {
    held.is_none_or(|held| held.images.iter().any(|image| image.is_within(published.history)))
}

/// Whether the change was made on top of nothing that is settled but the very edit that it makes anew.
fn is_made_anew(cell: &Cell, held: &Settlement, published: &Published) -> bool {
    let before = |image: &History| {
        cell.agreed
            .iter()
            .any(|(edit, anew)| *anew == published.edit && *image == History::default().with(*edit))
    };
    held.images.iter().filter(|image| image.is_within(published.history)).all(before)
}

/// What the exact ancestry says about a resolver step.
fn oracle(
    setup: &Setup,
    cell: &Cell,
    held: Option<&Settlement>,
    published: &Published,
    resolution: &Resolution,
) -> Result<(), Violation> {
    let change = &published.change;
    let broken =
        |invariant, what: &str| Err(Violation::new(invariant, format!("{what}: {change:?} on {held:?}")));
    if !cell.holds_ancestors_of(published) {
        return broken(Invariant::CausalVisibility, "a change came before what it was based on");
    }
    let (record, conflict) = match resolution {
        Resolution::Dropped(Drop::Duplicate) => {
            let known = cell.knows(published.edit);
            return if known {
                Ok(())
            } else {
                broken(Invariant::NoLostUpdate, "dropped a change never seen")
            };
        }
        Resolution::Dropped(Drop::OutdatedCommand) => {
            let outdated = held.is_some_and(|held| held.record.vv != change.seen);
            return if outdated {
                Ok(())
            } else {
                broken(Invariant::NoLostUpdate, "refused a valid command")
            };
        }
        Resolution::Violated(Ruled::StateBehind { .. }) => {
            return broken(Invariant::ResolverNotBehind, "the state is behind");
        }
        Resolution::Violated(Ruled::VersionUsedTwice { .. }) => {
            return broken(Invariant::ResolverNotBehind, "a version was used twice");
        }
        Resolution::Publish { record, conflict, .. } => (record, conflict),
    };
    let theirs = held.and_then(|held| held.record.row.as_ref());
    let ours = change.row.as_ref();
    let on_top = is_on_top(held, published);
    let incoming = record.winner == change.dot;
    let must = expected(setup, cell, held, published, on_top, incoming);
    // A row that apply has tracked, since the first scan had passed it, is one edit by two names, and made anew by a restored
    // member it has seen the first one. Where it stands by the second it agrees with itself: no conflict either way.
    let itself = || held.is_some_and(|held| is_made_anew(cell, held, published));
    let renamed = change.kind == ChangeKind::Restated
        && (record.settled, must.settled) == (Settled::Agreed, Settled::FastForward)
        && ours == theirs
        && itself();
    if record.settled != must.settled && !renamed {
        let what = format!("settled as {:?} and not as {:?}", record.settled, must.settled);
        return broken(Invariant::ExactConflicts, &what);
    }
    if record.row != must.row {
        return broken(
            Invariant::NoLostUpdate,
            &format!("the row is {:?} and not {:?}", record.row, must.row),
        );
    }
    if let Err(what) = check_columns(setup, cell, held, published, record) {
        return broken(Invariant::NoLostUpdate, &what);
    }
    let carried = ours.and_then(|row| row.get(1)).filter(|_| !published.wrote_second);
    let stood = theirs.and_then(|row| row.get(1));
    let origin = published.edit.origin();
    let gains = setup.members.get(origin).is_some_and(|member| member.gains);
    if gains
        && must.settled == Settled::FastForward
        && carried.zip(stood).is_some_and(|(ours, theirs)| ours != theirs)
    {
        return broken(Invariant::NoLostUpdate, "a column that nobody wrote was wiped");
    }
    ledger(must.settled, incoming, conflict.as_deref(), ours, theirs, change.kind)
        .or_else(|what| broken(Invariant::NoLostUpdate, what))
}

fn ledger(
    settled: Settled,
    incoming: bool,
    conflict: Option<&ConflictRecord>,
    ours: Option<&Row>,
    theirs: Option<&Row>,
    kind: ChangeKind,
) -> Result<(), &'static str> {
    match (settled, conflict) {
        (Settled::Conflict, None) => Err("a conflict without a record"),
        (Settled::Agreed | Settled::Completed, Some(_)) => Err("a conflict record without a conflict"),
        (Settled::FastForward, Some(_)) if kind != ChangeKind::Restored => {
            Err("a conflict record for a descendant")
        }
        (_, None) => Ok(()),
        (_, Some(conflict)) => {
            let (winner, loser) = if incoming { (ours, theirs) } else { (theirs, ours) };
            let complete = conflict.winner.row.as_ref() == winner && conflict.loser.row.as_ref() == loser;
            if complete { Ok(()) } else { Err("the conflict record does not hold both rows") }
        }
    }
}

/// What a step met of columns that are not the same everywhere.
fn poorer(held: Option<&Settlement>, published: &Published, record: &Resolved) -> [(Situation, bool); 2] {
    let value = |row: Option<&Row>, column: usize| row.and_then(|row| row.get(column)).cloned();
    let (ours, theirs) = (published.change.row.as_ref(), held.and_then(|held| held.record.row.as_ref()));
    let columns =
        || (0..COLUMNS).map(|column| [ours, theirs, record.row.as_ref()].map(|row| value(row, column)));
    let incoming = record.winner == published.change.dot;
    let repeated =
        incoming && columns().any(|[ours, theirs, now]| ours.is_some() && ours != theirs && now == theirs);
    let refined = record.settled == Settled::Completed
        && columns().any(|[ours, theirs, now]| theirs.is_some() && ours != theirs && now == ours);
    [(Situation::Repeated, repeated), (Situation::Refined, refined)]
}
