//! One journey of many values, each in a row of its own: there, and back.

use crate::fate::Fate;
use crate::pair::Pair;
use crate::traveller::{Traveller, fate, rows, short};
use bigdecimal::BigDecimal;
use std::collections::{BTreeSet, HashMap};
use std::str::FromStr as _;
use tributary_member::{ApplyRecord, ErrorKind, Outcome, RefusalKind};
use tributary_model::{Row, Value};

impl Pair {
    /// Sends values there and back; what is wrong, by case.
    pub(crate) async fn send(&mut self, cases: &[(usize, Value)]) -> Vec<(usize, String)> {
        self.run += 1;
        let mut all: Vec<Traveller> = Vec::new();
        let mut keys = BTreeSet::new();
        for (number, (at, value)) in cases.iter().enumerate() {
            let lane = &self.lanes[*at];
            let row =
                Row::of([Value::Long(self.run), Value::Long(number as i64), Value::Null, value.clone()]);
            let key = lane.binding.schema.key_of(&row).unwrap();
            all.push(Traveller {
                lane: *at,
                value: value.clone(),
                touched: None,
                fate: fate(lane, lane.to.fate, value, self.rounds),
                arrived: None,
                // One key is one row, however often its value was drawn.
                left: keys.insert((*at, key.clone())),
                key,
                wrong: None,
            });
        }
        let lanes: BTreeSet<usize> = all.iter().map(|traveller| traveller.lane).collect();
        self.set_out(&mut all, &lanes).await;
        let images = self.images(&lanes).await;
        let records = self.publish(&mut all, &lanes, true).await;
        self.arrive(&mut all, records).await;
        self.turn(&lanes).await;
        for traveller in all.iter_mut().filter(|traveller| traveller.arrived.is_some()) {
            traveller.touched = Some(traveller.touched.unwrap_or(0) + 1);
        }
        let records = self.publish(&mut all, &lanes, false).await;
        self.come_back(&mut all, records).await;
        let after = self.images(&lanes).await;
        for (number, traveller) in all.iter_mut().enumerate() {
            let (before, after) = (images.get(&number), after.get(&number));
            let kept = traveller.arrived.as_ref() == Some(&traveller.value);
            if kept && !stands_alike(before, after, &traveller.value) {
                traveller.fail(format!("stood as {} and now as {}", short(before), short(after)));
            }
        }
        let wrong = all.into_iter().enumerate();
        wrong.filter_map(|(number, traveller)| Some((number, traveller.wrong?))).collect()
    }

    /// Users write the values: one half by statements of their own, the other by touching what came from elsewhere.
    async fn set_out(&mut self, all: &mut [Traveller], lanes: &BTreeSet<usize>) {
        let mut applied = Vec::new();
        for (number, traveller) in all.iter_mut().enumerate().filter(|(_, traveller)| traveller.left) {
            let row = traveller.row(self.run, number, &traveller.value);
            if number % 2 == 1 {
                applied.push((number, self.feed.upsert(traveller.lane, row)));
                continue;
            }
            match self.from.member().statement_for(traveller.lane, &traveller.key, Some(&row)) {
                Ok(sql) => {
                    if let Err(error) = self.from.user.attempt(&sql).await {
                        traveller.fail(format!("its own database refuses {}: {error}", short(&sql)));
                        traveller.left = false;
                    }
                }
                Err(error) => {
                    traveller.left = false;
                    if error.kind() != ErrorKind::Unsupported {
                        traveller.fail(error.to_string());
                    }
                }
            }
        }
        let records = applied.iter().map(|(_, record)| record.clone()).collect();
        let outcomes = self.from.apply(&mut self.feed, records).await;
        for ((number, _), outcome) in applied.iter().zip(outcomes) {
            let traveller = &mut all[*number];
            match outcome {
                Outcome::Upserted => traveller.touched = Some(1),
                Outcome::Parked(refusal) if refusal.kind == RefusalKind::Value => traveller.left = false,
                other => {
                    traveller.left = false;
                    traveller.fail(format!("its own database: {other:?}"));
                }
            }
        }
        for lane in lanes {
            let name = self.lanes[*lane].name();
            let run = self.run;
            let touch =
                format!("UPDATE \"{name}\" SET \"touched\" = 1 WHERE \"run\" = {run} AND \"id\" % 2 = 1");
            self.from.user.run(&touch).await;
        }
        let mut keys = BTreeSet::new();
        for traveller in all.iter_mut() {
            let lane = &self.lanes[traveller.lane];
            let here = fate(lane, lane.from.fate, &traveller.value, false);
            let first = keys.insert((traveller.lane, traveller.key.clone()));
            if first && here != Fate::Unsaid && (here == Fate::Same) != traveller.left {
                let left = if traveller.left { "taken" } else { "refused" };
                traveller.fail(format!("its own database has {left} it, and should not"));
            }
        }
    }

    /// What was changed in a member is captured, all of it and nothing else; the group's answers to it.
    async fn publish(
        &mut self,
        all: &mut [Traveller],
        lanes: &BTreeSet<usize>,
        there: bool,
    ) -> Vec<ApplyRecord> {
        let mut records = Vec::new();
        let (mut rows, mut unreadable) = (HashMap::new(), HashMap::new());
        for lane in lanes {
            let home = if there { &mut self.from } else { &mut self.to };
            let (changes, unpublishable) = home.changes(*lane).await;
            for row in unpublishable {
                let key = row.key.expect("the values of keys are sound");
                unreadable.insert((*lane, key), row.reason);
            }
            for change in changes {
                records.extend(self.feed.settle(*lane, &change));
                rows.insert((*lane, change.key), change.change.row);
            }
        }
        let direction = if there { "at first" } else { "on its way back" };
        for (number, traveller) in all.iter_mut().enumerate() {
            let cell = (traveller.lane, traveller.key.clone());
            if let Some(reason) = unreadable.remove(&cell) {
                traveller.fail(format!("cannot be published {direction}: {reason}"));
                continue;
            }
            let held =
                if there { traveller.left.then_some(&traveller.value) } else { traveller.arrived.as_ref() };
            let Some(held) = held else { continue };
            let wanted = traveller.row(self.run, number, held);
            match rows.remove(&cell) {
                Some(Some(row)) if row == wanted => {}
                found => traveller.fail(format!("captured {direction} as {}", short(found))),
            }
        }
        assert!(rows.is_empty(), "nobody changed these: {}", short(rows));
        assert!(unreadable.is_empty(), "nobody changed these: {}", short(unreadable));
        records
    }

    /// The values arrive where they go to.
    async fn arrive(&mut self, all: &mut [Traveller], records: Vec<ApplyRecord>) {
        let own = self.from.apply(&mut self.feed, records.clone()).await;
        let (rounded, parked) = (self.to.rounded_values(), self.to.parked().await);
        let outcomes = self.to.apply(&mut self.feed, records.clone()).await;
        let mut by_key = HashMap::new();
        for ((record, own), outcome) in records.into_iter().zip(own).zip(outcomes) {
            by_key.insert((record.table, record.key), (own, outcome));
        }
        let (mut roundings, mut refusals) = (0, 0);
        let stands = rows(&mut self.to, all).await;
        for ((number, traveller), stands) in all.iter_mut().enumerate().zip(stands) {
            let Some((own, outcome)) = by_key.remove(&(traveller.lane, traveller.key.clone())) else {
                continue;
            };
            if !traveller.left {
                continue;
            }
            if !matches!(own, Outcome::AlreadyThere | Outcome::SameContent) {
                traveller.fail(format!("its own database, of its own change: {own:?}"));
            }
            let held = stands.as_ref().and_then(|row| row.get(3).cloned());
            match outcome {
                Outcome::Upserted => {
                    let Some(held) = held else {
                        traveller.fail("is told to have arrived, and is not there");
                        continue;
                    };
                    let wanted = match &traveller.fate {
                        Fate::Rounded(rounded) => rounded.clone(),
                        Fate::Unsaid if self.rounds && !self.lanes[traveller.lane].keyed => held.clone(),
                        _ => traveller.value.clone(),
                    };
                    if traveller.fate == Fate::Refused {
                        traveller.fail(format!("should have been refused, and arrived as {}", short(&held)));
                    } else if stands != Some(traveller.row(self.run, number, &wanted)) {
                        let told = format!("arrived as {} instead of {}", short(&stands), short(&wanted));
                        traveller.fail(told);
                    }
                    roundings += u64::from(held != traveller.value);
                    traveller.arrived = Some(held);
                }
                Outcome::Parked(refusal) if refusal.kind == RefusalKind::Value => {
                    refusals += 1;
                    if !matches!(traveller.fate, Fate::Refused | Fate::Unsaid) {
                        traveller.fail(format!("was refused: {}", refusal.message));
                    } else if held.is_some() {
                        traveller.fail("was refused, and is there all the same");
                    }
                }
                other => traveller.fail(format!("should be {:?}: {}", traveller.fate, short(other))),
            }
        }
        let counted = self.to.rounded_values() - rounded;
        let listed = self.to.parked().await - parked;
        if let Some(first) = all.first_mut() {
            if counted != roundings {
                first.fail(format!("{roundings} values were rounded in this journey, and {counted} counted"));
            }
            if listed != refusals {
                first.fail(format!("{refusals} values were refused in this journey, and {listed} listed"));
            }
        }
    }

    /// A user at the other end touches every row.
    async fn turn(&mut self, lanes: &BTreeSet<usize>) {
        for lane in lanes {
            let (echo, unpublishable) = self.to.changes(*lane).await;
            assert!(echo.is_empty() && unpublishable.is_empty(), "{}: an echo", self.lanes[*lane]);
            let (name, run) = (self.lanes[*lane].name(), self.run);
            let touch = format!(
                "UPDATE \"{name}\" SET \"touched\" = coalesce(\"touched\", 0) + 1 WHERE \"run\" = {run}"
            );
            self.to.user.run(&touch).await;
        }
    }

    /// The rows come back, with what the user has changed and else as they were.
    async fn come_back(&mut self, all: &mut [Traveller], records: Vec<ApplyRecord>) {
        self.to.apply(&mut self.feed, records.clone()).await;
        let outcomes = self.from.apply(&mut self.feed, records.clone()).await;
        let mut by_key = HashMap::new();
        for (record, outcome) in records.into_iter().zip(outcomes) {
            by_key.insert((record.table, record.key), outcome);
        }
        let stands = rows(&mut self.from, all).await;
        for ((number, traveller), stands) in all.iter_mut().enumerate().zip(stands) {
            let Some(arrived) = traveller.arrived.clone() else { continue };
            let Some(outcome) = by_key.remove(&(traveller.lane, traveller.key.clone())) else { continue };
            let lane = &self.lanes[traveller.lane];
            let here = fate(lane, lane.from.fate, &arrived, false);
            match outcome {
                Outcome::Upserted if here != Fate::Refused => {
                    if stands != Some(traveller.row(self.run, number, &arrived)) {
                        traveller.fail(format!("came back as {}", short(stands)));
                    }
                }
                Outcome::Parked(refusal)
                    if refusal.kind == RefusalKind::Value && matches!(here, Fate::Refused | Fate::Unsaid) => {
                }
                other => traveller.fail(format!("on its way back: {}", short(other))),
            }
        }
    }

    /// How the values stand where they come from, as the database shows them to a user.
    async fn images(&mut self, lanes: &BTreeSet<usize>) -> HashMap<usize, String> {
        let mut images = HashMap::new();
        for lane in lanes {
            let (name, run) = (self.lanes[*lane].name(), self.run);
            let sql = format!("SELECT \"id\", \"held\" FROM \"{name}\" WHERE \"run\" = {run}");
            let rows = self.from.user.query(&sql).await.into_iter();
            images.extend(rows.map(|mut row| (row[0].parse().unwrap(), row.remove(1))));
        }
        images
    }
}

/// Whether a value stands as it did: literally, and decimals by value, since zeros at their end mean nothing.
fn stands_alike(before: Option<&String>, after: Option<&String>, value: &Value) -> bool {
    let number = |image: Option<&String>| image.and_then(|image| BigDecimal::from_str(image).ok());
    let same_number = || number(before).is_some_and(|before| number(after) == Some(before));
    before == after || (matches!(value, Value::Decimal(_)) && same_number())
}
