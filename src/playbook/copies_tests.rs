//! Given a text or an order of events, expect where copies lie.

use super::*;
use crate::playbook::sample;

#[test]
fn a_destination_is_written_in_one_word() {
    let text = "444455556666/eu-west-1";
    let at: Destination = text.parse().unwrap();
    assert_eq!(
        (at.account.as_str(), at.region.as_str(), at.to_string()),
        ("444455556666", "eu-west-1", text.to_owned())
    );
    for wrong in ["444455556666", "/eu-west-1", "4444/eu-west-1", "444455556666/", "444455556666/eu-west-1/x"] {
        assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
    }
}

#[test]
fn one_copy_stands_and_the_next_takes_its_place_only_where_it_failed() {
    let at: Destination = "444455556666/eu-west-1".parse().unwrap();
    let [of, one, two, three] = [0, 1, 2, 3].map(sample::snapshot);
    let copy = |id: &SnapshotId| Copy { id: id.clone(), destination: at.clone(), of: of.clone() };
    let mut record = Record::default();
    for id in [&one, &one, &two] {
        record.take_copy(&copy(id));
    }
    assert_eq!((&record.copies[&at].made[&of], record.copies[&at].surplus.len()), (&one, 1));
    record.settled.insert(one.clone(), "error: full".to_owned());
    record.take_copy(&copy(&three));
    let kept = &record.copies[&at];
    assert_eq!((&kept.made[&of], &kept.failed[&of]), (&three, &BTreeSet::from([one.clone()])));
    assert!([one, two, three].iter().all(|id| kept.knows(id)));
    assert_eq!(in_flight(&record)[&at].len(), 2);
}
