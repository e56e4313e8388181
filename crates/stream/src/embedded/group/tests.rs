//! Random joins, departures, polls and subscriptions: no partition has two owners, none is left out, loads are even.

use super::*;
use proptest::prelude::*;

const GROUP: &str = "group";

/// What happens to one of five members.
#[derive(Debug, Clone)]
enum Step {
    /// It joins, or changes its topics: bit n stands for topic n.
    Join(usize, u8),
    Leave(usize),
    Poll(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..5usize, 1..8u8).prop_map(|(member, topics)| Step::Join(member, topics)),
        1 => (0..5usize).prop_map(Step::Leave),
        4 => (0..5usize).prop_map(Step::Poll),
    ]
}

fn topics(bits: u8) -> Vec<(TopicName, u32)> {
    (0..3u8)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| (TopicName::new(format!("t{bit}")), [1, 4, 9][usize::from(bit)]))
        .collect()
}

fn name(member: usize) -> String {
    format!("member-{member}")
}

fn metadata(member: usize, generation: u64) -> GroupMetadata {
    GroupMetadata { group: GROUP.to_owned(), generation, member: name(member), kafka: None }
}

/// What the members themselves know.
#[derive(Default)]
struct Told {
    owned: BTreeSet<TopicPartition>,
    generation: u64,
    topics: u8,
}

fn poll(groups: &mut Groups, member: usize, told: &mut Told) {
    let changes = groups.changes(GROUP, &name(member));
    assert!(changes.revoked.is_empty() || changes.assigned.is_empty());
    for revoked in &changes.revoked {
        assert!(told.owned.remove(revoked), "{revoked:?} was not owned");
    }
    for assigned in changes.assigned {
        assert!(told.owned.insert(assigned), "owned already");
    }
    assert!(changes.generation >= told.generation);
    told.generation = changes.generation;
}

fn assert_one_owner(members: &BTreeMap<usize, Told>) {
    let all: usize = members.values().map(|told| told.owned.len()).sum();
    let different: BTreeSet<_> = members.values().flat_map(|told| &told.owned).collect();
    assert_eq!(all, different.len(), "a partition has two owners");
}

proptest! {
    #[test]
    fn every_partition_has_one_owner(steps in prop::collection::vec(step(), 1..60)) {
        let mut groups = Groups::default();
        let mut members: BTreeMap<usize, Told> = BTreeMap::new();
        let signal = Arc::default();
        for step in steps {
            match step {
                Step::Join(member, bits) => {
                    groups.join(GROUP, &name(member), topics(bits), &signal);
                    members.entry(member).or_default().topics = bits;
                }
                Step::Leave(member) => {
                    groups.leave(GROUP, &name(member));
                    members.remove(&member);
                    prop_assert!(!groups.may_store(&metadata(member, 1), std::iter::empty()));
                }
                Step::Poll(member) => {
                    if let Some(told) = members.get_mut(&member) {
                        let before = told.generation;
                        poll(&mut groups, member, told);
                        prop_assert!(groups.may_store(&metadata(member, told.generation), told.owned.iter()));
                        if before != told.generation {
                            prop_assert!(!groups.may_store(&metadata(member, before), told.owned.iter()));
                        }
                    }
                }
            }
            assert_one_owner(&members);
        }
        // In the end, all are told everything: twice each for losses, and again for what others let go.
        for _ in 0..3 {
            for (member, told) in &mut members {
                poll(&mut groups, *member, told);
                poll(&mut groups, *member, told);
            }
            assert_one_owner(&members);
        }
        let wanted: BTreeSet<TopicPartition> = members
            .values()
            .flat_map(|told| topics(told.topics))
            .flat_map(|(topic, count)| (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition)))
            .collect();
        let owned: BTreeSet<TopicPartition> = members.values().flat_map(|told| told.owned.clone()).collect();
        prop_assert_eq!(owned, wanted);
        for bits in 0..3u8 {
            let topic = TopicName::new(format!("t{bits}"));
            let loads: Vec<usize> = members
                .values()
                .filter(|told| told.topics >> bits & 1 == 1)
                .map(|told| told.owned.iter().filter(|partition| partition.topic == topic).count())
                .collect();
            if let (Some(least), Some(most)) = (loads.iter().min(), loads.iter().max()) {
                prop_assert!(most - least <= 1, "{:?}", loads);
            }
        }
    }
}

#[test]
fn a_newcomer_moves_no_more_than_its_share() {
    let mut groups = Groups::default();
    let signal = Arc::default();
    let mut members: BTreeMap<usize, Told> = BTreeMap::new();
    for member in 0..2 {
        groups.join(GROUP, &name(member), topics(0b100), &signal);
        members.insert(member, Told::default());
    }
    for _ in 0..2 {
        for (member, told) in &mut members {
            poll(&mut groups, *member, told);
        }
    }
    let before: Vec<_> = members.values().map(|told| told.owned.clone()).collect();
    assert_eq!(before.iter().map(BTreeSet::len).collect::<Vec<_>>(), [5, 4]);
    groups.join(GROUP, &name(2), topics(0b100), &signal);
    for (member, told) in &mut members {
        poll(&mut groups, *member, told);
    }
    for (told, before) in members.values().zip(&before) {
        assert!(told.owned.is_subset(before), "a partition moved between those who were there");
        assert_eq!(told.owned.len(), 3);
    }
}

#[test]
fn a_consumer_without_subscription_stores_only_where_nobody_has_one() {
    let mut groups = Groups::default();
    let alone = GroupMetadata { group: GROUP.to_owned(), generation: 0, member: String::new(), kafka: None };
    assert!(groups.may_store(&alone, std::iter::empty()));
    groups.join(GROUP, &name(0), topics(1), &Arc::default());
    assert!(!groups.may_store(&alone, std::iter::empty()));
    groups.leave(GROUP, &name(0));
    assert!(groups.may_store(&alone, std::iter::empty()));
}
