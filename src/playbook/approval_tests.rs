//! Given an Approval, expect what it is worth; given several, expect whether the gate opens.

use super::*;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench};

fn plan(hash: &[u8]) -> PublishedPlan {
    let digest = crate::playbook::chain::sha256(hash);
    PublishedPlan {
        action: Action::Isolate,
        basis: digest.clone(),
        hash: digest,
        index: 3,
        lines: Vec::new(),
        covers: BTreeSet::new(),
        leaves: BTreeMap::new(),
    }
}

fn record() -> Record {
    let mut record = Record::default();
    record.plans.insert(Action::Isolate, plan(b"now"));
    record
}

fn yes() -> Candidate {
    sample::yes(&record(), Action::Isolate)
}

#[test]
fn worth_of_one() {
    type Change = fn(&mut Candidate, &mut Record);
    #[derive(Debug, PartialEq)]
    enum Is {
        Counts,
        Stale,
        Rejected,
    }
    let table: [(&str, Change, Is); 14] = [
        ("a yes to the plan that stands", |_, _| {}, Is::Counts),
        ("a no", |c, _| c.verdict = Verdict::Deny, Is::Counts),
        ("an older plan", |c, _| c.plan_hash = plan(b"older").hash, Is::Stale),
        ("another object", |c, _| c.subject_uid = "uid-2".to_owned(), Is::Stale),
        ("no plan waits", |_, r| r.plans.clear(), Is::Rejected),
        ("used up by a release", |_, r| r.released = true, Is::Stale),
        ("another requester", |c, _| c.requester = Some("carol".to_owned()), Is::Rejected),
        ("no requester", |c, _| c.requester = None, Is::Rejected),
        ("the requester approves", |c, _| c.approver = "alice".to_owned(), Is::Rejected),
        ("the requester breaks the glass", |c, _| (c.approver, c.break_glass) = ("alice".to_owned(), true), Is::Counts),
        ("another requester behind broken glass", |c, _| (c.requester, c.break_glass) = (None, true), Is::Rejected),
        ("the case, whose plan covers this one", |c, _| covered(c, "uid-1", b"now"), Is::Counts),
        ("the case, whose plan covers an older one", |c, _| covered(c, "uid-1", b"older"), Is::Stale),
        ("the case, whose plan covers others", |c, _| covered(c, "uid-2", b"now"), Is::Stale),
    ];
    for (given, change, expected) in table {
        let (mut candidate, mut record) = (yes(), record());
        change(&mut candidate, &mut record);
        let worth = worth(&candidate, "uid-1", Some("alice"), &record);
        let is = match worth {
            Worth::Counts => Is::Counts,
            Worth::Stale(_) => Is::Stale,
            Worth::Rejected(_) => Is::Rejected,
        };
        assert_eq!(is, expected, "{given}: {worth:?}");
    }
}

/// Signs a case whose published plan has this leaf.
fn covered(candidate: &mut Candidate, uid: &str, hash: &[u8]) {
    candidate.subject_uid = "uid-case".to_owned();
    candidate.leaves = BTreeMap::from([(uid.to_owned(), plan(hash).hash), ("uid-9".to_owned(), plan(b"9").hash)]);
    candidate.plan_hash = hash_of_leaves(&candidate.leaves);
}

#[test]
fn leaves_that_do_not_hash_to_what_was_signed_cover_nothing() {
    let mut candidate = yes();
    covered(&mut candidate, "uid-1", b"now");
    candidate.leaves.insert("uid-10".to_owned(), plan(b"10").hash);
    assert!(matches!(worth(&candidate, "uid-1", Some("alice"), &record()), Worth::Stale(_)));
}

/// A Quarantine whose account asks for approval, with its plan published.
fn waiting() -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    assert!(bench.record.plans.contains_key(&Action::Isolate));
    bench
}

fn signed(bench: &Bench<Quarantine>, who: &str) -> Candidate {
    let approver = who.to_owned();
    Candidate { approver, uid: format!("approval-of-{who}"), ..sample::yes(&bench.record, Action::Isolate) }
}

fn isolated(mut bench: Bench<Quarantine>) -> bool {
    bench.settle();
    bench.record.contained_at.is_some()
}

#[test]
fn the_gate() {
    type Setup = fn(&mut Bench<Quarantine>);
    fn by_a_service_account(bench: &mut Bench<Quarantine>) {
        bench.subject.requested_by = None;
        bench.settle();
    }
    fn unrequested(bench: &Bench<Quarantine>, who: &str) -> Candidate {
        Candidate { requester: None, ..signed(bench, who) }
    }
    let table: [(&str, Setup, bool); 10] = [
        ("nobody", |_| {}, false),
        ("bob", |b| b.approvals = vec![signed(b, "bob")], true),
        ("the requester", |b| b.approvals = vec![signed(b, "alice")], false),
        (
            "the requester, breaking the glass",
            |b| {
                b.approvals = vec![Candidate { break_glass: true, ..signed(b, "alice") }];
            },
            true,
        ),
        (
            "a yes and a no",
            |b| {
                b.approvals = vec![signed(b, "bob"), Candidate { verdict: Verdict::Deny, ..signed(b, "carol") }];
            },
            false,
        ),
        (
            "for another action",
            |b| {
                b.approvals = vec![Candidate { action: Action::Release, ..signed(b, "bob") }];
            },
            false,
        ),
        (
            "two are asked for, one signed twice",
            |b| {
                b.account.required.insert(Action::Isolate, 2);
                let again = Candidate { uid: "another".to_owned(), ..signed(b, "bob") };
                b.approvals = vec![signed(b, "bob"), again];
            },
            false,
        ),
        (
            "two are asked for, two signed",
            |b| {
                b.account.required.insert(Action::Isolate, 2);
                b.approvals = vec![signed(b, "bob"), signed(b, "carol")];
            },
            true,
        ),
        (
            "a service account asked, one signed",
            |b| {
                by_a_service_account(b);
                b.approvals = vec![unrequested(b, "bob")];
            },
            false,
        ),
        (
            "a service account asked, two signed",
            |b| {
                by_a_service_account(b);
                b.approvals = vec![unrequested(b, "bob"), unrequested(b, "carol")];
            },
            true,
        ),
    ];
    for (given, setup, opens) in table {
        let mut bench = waiting();
        setup(&mut bench);
        assert_eq!(isolated(bench), opens, "{given}");
    }
}

#[test]
fn the_decision_names_who_and_whether_the_glass_was_broken() {
    let mut bench = waiting();
    bench.approvals = vec![Candidate { break_glass: true, ..signed(&bench, "alice") }];
    bench.settle();
    let decision = &bench.record.decisions[&Action::Isolate];
    assert_eq!(decision.approvals, BTreeMap::from([("alice".to_owned(), "approval-of-alice".to_owned())]));
    assert!(decision.break_glass);
}

#[test]
fn a_no_is_written_once_and_stands_until_it_is_taken_back() {
    let mut bench = waiting();
    bench.approvals = vec![Candidate { verdict: Verdict::Deny, ..signed(&bench, "carol") }];
    bench.settle();
    bench.approvals.push(signed(&bench, "bob"));
    bench.settle();
    assert!(bench.record.contained_at.is_none(), "a yes does not outweigh it");
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::Denied { .. })).count(), 1);
    let verdict = bench.verdict();
    assert_eq!((verdict.reason, verdict.stalled), (Reason::Denied, true));
    assert!(verdict.message.starts_with("carol denied the plan of Isolate"), "{}", verdict.message);
    bench.approvals.remove(0);
    bench.settle();
    assert!(bench.record.contained_at.is_some());
    let withdrawn = |fact: &Fact| matches!(fact, Fact::DenyWithdrawn { approver, .. } if approver == "carol");
    assert_eq!(bench.facts().filter(|fact| withdrawn(fact)).count(), 1, "and the chain says that it was taken back");
}

#[test]
fn a_no_to_the_case_stands_when_the_case_has_another_plan_by_now() {
    let mut bench = waiting();
    let mut no = Candidate { verdict: Verdict::Deny, ..signed(&bench, "carol") };
    let hash = bench.record.plans[&Action::Isolate].hash.clone();
    no.subject_uid = "uid-case".to_owned();
    no.leaves = BTreeMap::from([("uid-1".to_owned(), hash)]);
    no.plan_hash = hash_of_leaves(&no.leaves);
    bench.approvals = vec![no.clone()];
    bench.settle();
    assert_eq!(bench.verdict().reason, Reason::Denied);

    // The case gets a target more: its leaves are not those that were signed, and the plan of this host is the same.
    let mut late = no.clone();
    late.leaves.insert("uid-2".to_owned(), plan(b"2").hash);
    // Somebody else's no stands beside it, and is taken back: that takes back nothing of the first.
    let other = Candidate { verdict: Verdict::Deny, uid: "of-dave".to_owned(), ..signed(&bench, "dave") };
    for approvals in [vec![other, late.clone()], vec![late.clone()]] {
        bench.approvals = approvals;
        bench.approvals.push(signed(&bench, "bob"));
        bench.settle();
        assert!(bench.record.contained_at.is_none(), "a no stands until its author deletes it");
        assert_eq!(bench.verdict().reason, Reason::Denied);
        assert!(bench.verdict().stalled);
    }
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::Denied { .. })).count(), 2, "each once");
    bench.approvals.remove(0);
    bench.settle();
    assert!(bench.record.contained_at.is_some());
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::DenyWithdrawn { .. })).count(), 2);
}

#[test]
fn a_plan_that_changed_needs_a_new_signature_and_one_that_did_not_keeps_its_own() {
    let mut bench = waiting();
    let first = bench.record.plans[&Action::Isolate].clone();
    bench.now = sample::later(bench.now, 1000);
    bench.settle();
    assert_eq!(bench.record.plans[&Action::Isolate], first, "an approval on its way keeps its worth");
    let old = signed(&bench, "bob");
    bench.spec.isolation.pulse = crate::api::quarantine::Pulse::Auto;
    bench.approvals = vec![old];
    bench.settle();
    assert_ne!(bench.record.plans[&Action::Isolate].hash, first.hash);
    assert!(bench.record.contained_at.is_none(), "signed for something else");
    bench.approvals.push(signed(&bench, "bob"));
    bench.settle();
    assert!(bench.record.contained_at.is_some());
}

#[test]
fn no_approval_is_good_twice() {
    let mut bench = waiting();
    bench.approvals = vec![signed(&bench, "bob")];
    bench.settle();
    bench.spec.level = Level::Released;
    bench.settle();
    assert!(!bench.record.released, "an approval of the isolation is none of the release");
    let release = sample::yes(&bench.record, Action::Release);
    bench.approvals.push(release.clone());
    bench.see_out();
    assert!(bench.record.released);
    assert!(matches!(worth(&release, "uid-1", Some("alice"), &bench.record), Worth::Stale(_)));

    // A new Quarantine of the same host and name is another object, with another plan.
    let mut next = waiting();
    next.subject.uid = "uid-2".to_owned();
    next.record = Record::default();
    next.head = None;
    next.approvals = bench.approvals;
    assert!(!isolated(next));
}

#[test]
fn how_many_are_needed() {
    // Action, asked for by the account, a person asked; needed.
    let table = [
        (Action::Isolate, None, true, 0),
        (Action::Isolate, None, false, 0),
        (Action::Isolate, Some(0), true, 1),
        (Action::Isolate, Some(1), true, 1),
        (Action::Isolate, Some(1), false, 2),
        (Action::Isolate, Some(3), false, 3),
        (Action::Release, None, true, 1),
        (Action::Release, Some(0), true, 1),
        (Action::Release, None, false, 2),
        (Action::Release, Some(2), true, 2),
    ];
    for (action, asked, person, needed) in table {
        let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        bench.account.required.extend(asked.map(|count| (action, count)));
        if !person {
            bench.subject.requested_by = None;
        }
        let found = bench.with(&bench.seen(), |view| approvers_needed(view, action));
        assert_eq!(found, needed, "{action} {asked:?} {person}");
    }
}
