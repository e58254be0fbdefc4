//! Given links, expect that they follow; given anything else, expect the reason why not.

use proptest::prelude::*;

use super::*;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench, at};

fn write(head: Option<&Head>, record: &Record, entries: Vec<Entry>, seconds: i64) -> Link {
    link(&sample::object("Quarantine"), head, record, entries, at(seconds), None, Writer::default())
}

fn opened() -> Entry {
    Entry::Opened { about: "Quarantine one".to_owned(), requested_by: Some("alice".to_owned()) }
}

/// A body, changed and written in canonical form.
fn forged(link: &Link, change: impl FnOnce(&mut Body)) -> String {
    let mut body = link.body.clone();
    change(&mut body);
    canonical(&body)
}

#[test]
fn links_follow_one_another() {
    let subject = sample::object("Quarantine");
    let first = write(None, &Record::default(), vec![opened()], 1);
    let second = write(Some(&first.head), &first.record, vec![Entry::Fact(Fact::Contained)], 2);
    let mut record = Record::default();
    let (head, _) = follow(&subject, None, &mut record, &first.bytes).unwrap();
    assert_eq!((head.index, &head), (0, &first.head));
    let (head, body) = follow(&subject, Some(&head), &mut record, &second.bytes).unwrap();
    assert_eq!((head.index, &head, &record), (1, &second.head, &second.record));
    assert_eq!((body.previous, record.contained_at), (Some(first.head.hash), Some(at(2))));
}

type Expect = fn(&Broken) -> bool;

#[test]
fn what_does_not_follow() {
    let subject = sample::object("Quarantine");
    let first = write(None, &Record::default(), vec![opened()], 1);
    let second = write(Some(&first.head), &first.record, vec![Entry::Fact(Fact::Contained)], 2);
    let elsewhere = crate::playbook::chain::sha256(b"elsewhere");
    let pretty = serde_json::to_string_pretty(&second.body).unwrap();
    let table: [(&str, String, Expect); 11] = [
        ("no JSON", "{".to_owned(), |b| matches!(b, Broken::Unreadable { index: 1, .. })),
        ("an entry of a kind that does not exist", second.bytes.replace("contained", "liberated"), |b| {
            matches!(b, Broken::Unreadable { .. })
        }),
        ("other blanks", pretty, |b| *b == Broken::NotCanonical(1)),
        ("a field that nobody knows", second.bytes.replacen('{', r#"{"a":1,"#, 1), |b| *b == Broken::NotCanonical(1)),
        ("an earlier link again", first.bytes.clone(), |b| *b == Broken::WrongIndex(1, 0)),
        ("a link left out", forged(&second, |body| body.index = 2), |b| *b == Broken::WrongIndex(1, 2)),
        ("another object", forged(&second, |body| body.subject.uid = "uid-2".to_owned()), |b| {
            *b == Broken::WrongSubject(1)
        }),
        ("another kind", forged(&second, |body| body.subject.kind = "Case".to_owned()), |b| {
            *b == Broken::WrongSubject(1)
        }),
        ("a link to other bytes", forged(&second, |body| body.previous = Some(elsewhere)), |b| {
            *b == Broken::WrongPrevious(1)
        }),
        ("no link", forged(&second, |body| body.previous = None), |b| *b == Broken::WrongPrevious(1)),
        ("an entry taken out", forged(&second, |body| body.entries.clear()), |b| *b == Broken::WrongState(1)),
    ];
    for (given, bytes, expect) in table {
        let mut record = first.record.clone();
        let broken = follow(&subject, Some(&first.head), &mut record, &bytes).unwrap_err();
        assert!(expect(&broken), "{given}: {broken:?}");
        assert_eq!(record, first.record, "{given}: nothing is folded of what does not follow");
        assert!(broken.to_string().contains("record 1"), "{given}: {broken}");
    }
}

#[test]
fn operations_are_named_by_where_they_stand() {
    let mut ids = std::collections::BTreeSet::new();
    for (uid, index, entry) in [("a", 1, 1), ("a", 1, 2), ("a", 2, 1), ("b", 1, 1), ("a", 11, 1), ("a", 1, 11)] {
        assert!(ids.insert(operation_id(uid, index, entry)));
        assert_eq!(operation_id(uid, index, entry), operation_id(uid, index, entry));
    }
    assert!(ids.iter().all(|id| id.0.len() == 32), "fits a tag and a token");
}

/// A run in which somebody flaps a group and AWS refuses now and then.
fn run(moves: &[u8]) -> (Vec<Link>, Record) {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    let mut links: Vec<Link> = Vec::new();
    for step in moves {
        match step % 4 {
            0 => {
                bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [sample::group(0)].into());
            }
            1 => {
                bench.refusals.insert("ModifyNetworkInterfaceAttribute", crate::cloud::error::ErrorClass::Ambiguous);
            }
            2 => bench.refusals.clear(),
            _ => bench.crash(),
        }
        let before = (bench.head.clone(), bench.record.clone(), bench.entries.len(), bench.now);
        bench.turn();
        if bench.head != before.0 {
            links.push(write(before.0.as_ref(), &before.1, bench.entries[before.2..].to_vec(), seconds(before.3)));
        }
        bench.now = sample::later(bench.now, i64::from(*step));
    }
    (links, bench.record)
}

fn seconds(time: Time) -> i64 {
    time.as_second() - at(0).as_second()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn writing_folding_and_following_agree(moves in proptest::collection::vec(any::<u8>(), 1..24)) {
        let (links, folded) = run(&moves);
        let subject = sample::object("Quarantine");
        let (mut head, mut record) = (None, Record::default());
        for link in &links {
            let (next, body) = follow(&subject, head.as_ref(), &mut record, &link.bytes).unwrap();
            prop_assert_eq!(&next, &link.head);
            prop_assert_eq!(&body, &link.body);
            prop_assert_eq!(&record, &link.record);
            head = Some(next);
        }
        prop_assert_eq!(&record, &folded);
        // What is kept as a cache survives its own trip, or it would never match the digest in the head.
        let json = serde_json::to_string(&record).unwrap();
        let again: Record = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(digest_of(&again), digest_of(&record));
    }
}
