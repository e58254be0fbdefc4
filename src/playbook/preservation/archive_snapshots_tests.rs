//! Given a day and what else is declared, expect set and copies in the archive tier, and nothing there too early.

use super::*;
use crate::api::exhibits::Verify;
use crate::cloud::error::ErrorClass;
use crate::playbook::preservation::copy_and_reencrypt::tests::{at as there, begun, blocked, complete, copies, world};
use crate::playbook::sample::{self, Bench, at};

fn sent(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.operations().iter().filter(|operation| **operation == "ModifySnapshotTier").count()
}

fn archived(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.world.snapshots.values().chain(copies(bench)).filter(|exhibit| exhibit.snapshot.archived).count()
}

fn said(bench: &Bench<EvidenceSnapshot>) -> Refusal {
    match bench.state("Archived") {
        Some(State::Working(refusal) | State::Blocked(refusal) | State::Skipped(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Two snapshots and a copy of each, to be archived after so many days.
fn declared(days: u32) -> Bench<EvidenceSnapshot> {
    let mut bench = begun(world(2));
    bench.spec.archive_after_days = Some(days);
    complete(&mut bench);
    bench
}

fn whole(bench: &mut Bench<EvidenceSnapshot>) {
    bench.world.complete_archivals();
    bench.settle();
}

#[test]
fn set_and_copies_go_there_when_the_day_has_come_and_stay_locked() {
    let mut bench = declared(30);
    let verdict = bench.verdict();
    assert!(verdict.ready && verdict.message.contains("Archived: 0 of 4"), "ready does not wait: {verdict:?}");
    for (seconds, expected) in [(30 * DAY - 60, 0), (30 * DAY + 60, 4)] {
        bench.now = at(seconds);
        bench.settle();
        assert_eq!(sent(&bench), expected, "{seconds}");
    }
    assert_eq!((said(&bench).reason, archived(&bench)), (Reason::InProgress, 0));
    assert!(said(&bench).message.contains("4 are on their way (0%)"), "{}", said(&bench).message);
    bench.settle();
    assert_eq!(sent(&bench), 4, "what is on its way is not asked for again");
    whole(&mut bench);
    assert_eq!((sent(&bench), archived(&bench), bench.record.keeping.archived.len()), (4, 4, 4));
    assert!(matches!(bench.state("Archived"), Some(State::Done(_))));
    for exhibit in bench.world.snapshots.values().chain(copies(&bench)) {
        assert!(exhibit.lock.is_some(), "{exhibit:?}");
    }
    assert!(bench.verdict().ready && !bench.turn(), "{:?}", bench.verdict());
}

#[test]
fn nothing_goes_there_before_copies_and_digests_are_done() {
    let mut bench = begun(world(1));
    bench.spec.archive_after_days = Some(0);
    bench.now = at(400);
    bench.settle();
    assert_eq!((sent(&bench), said(&bench).reason), (0, Reason::Waiting), "the copy is pending");
    let unreadable: Vec<SnapshotId> = copies(&bench).iter().map(|copy| copy.snapshot.id.clone()).collect();
    bench.world.unreadable.extend(unreadable);
    complete(&mut bench);
    assert_eq!(sent(&bench), 0, "the copy is not read: {:?}", bench.state("Archived"));
    bench.world.unreadable.clear();
    bench.settle();
    assert_eq!(sent(&bench), 2);
}

#[test]
fn what_is_contradicted_stays_where_it_can_be_read() {
    let mut bench = begun(world(1));
    bench.spec.archive_after_days = Some(0);
    let copy = copies(&bench)[0].snapshot.id.clone();
    bench.world.corrupt.insert(copy);
    complete(&mut bench);
    assert!(matches!(bench.state("Verified"), Some(State::Blocked(_))), "{:?}", bench.state("Verified"));
    assert_eq!(sent(&bench), 0);
}

#[test]
fn without_digests_and_copies_nothing_is_waited_for() {
    let mut bench = Bench::evidence(sample::world(1, 2));
    (bench.spec.verify, bench.spec.archive_after_days) = (Verify::None, Some(0));
    bench.settle();
    assert_eq!(sent(&bench), 0, "pending");
    complete(&mut bench);
    assert_eq!(sent(&bench), 2);
    whole(&mut bench);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn a_failure_is_said_and_tried_again_after_a_day() {
    let mut bench = declared(0);
    let id = bench.world.snapshots.keys().next().unwrap().clone();
    let exhibit = bench.world.snapshots.get_mut(&id).unwrap();
    let (tiering, detail) = (Tiering::ArchivalFailed, Some("no room".to_owned()));
    exhibit.tier = Some(Tier { archived: false, tiering, began: Some(bench.now), progress: 0, detail });
    whole(&mut bench);
    let (before, refusal) = (sent(&bench), said(&bench));
    assert_eq!((before, refusal.reason), (4, Reason::ArchivalFailed));
    assert!(refusal.message.contains(&format!("{id} (no room)")), "{}", refusal.message);
    bench.now = sample::later(bench.now, DAY - 120);
    bench.settle();
    assert_eq!(sent(&bench), before);
    bench.now = sample::later(bench.now, 120);
    bench.settle();
    assert_eq!(sent(&bench), before + 1);
    whole(&mut bench);
    assert_eq!(archived(&bench), 4);
}

#[test]
fn what_aws_refuses_calls_a_person() {
    let mut bench = begun(world(1));
    bench.spec.archive_after_days = Some(0);
    bench.refusals.insert("ModifySnapshotTier", ErrorClass::Denied);
    bench.world.complete_snapshots();
    for _ in 0..8 {
        bench.turn();
    }
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::PermissionMissing));
    bench.refusals.clear();
    bench.settle();
    whole(&mut bench);
    assert_eq!(archived(&bench), 2);
}

#[test]
fn what_was_shared_is_not_shared_in_vain_and_what_is_restored_is_not_archived_again() {
    let mut bench = begun(world(1));
    (bench.spec.archive_after_days, bench.spec.share) = (Some(0), sample::shared_with_forensics());
    complete(&mut bench);
    whole(&mut bench);
    let shares = |bench: &Bench<EvidenceSnapshot>| {
        bench.sent.iter().filter(|(effect, _)| matches!(effect, Effect::ShareSnapshot { .. })).count()
    };
    let before = shares(&bench);
    bench.see_out();
    let State::Skipped(refusal) = bench.state("Shared").unwrap() else { panic!("{:?}", bench.state("Shared")) };
    assert_eq!((shares(&bench), refusal.reason), (before, Reason::Archived));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    for exhibit in bench.world.snapshots.values_mut() {
        exhibit.snapshot.archived = false;
        exhibit.tier = None;
    }
    let moves = sent(&bench);
    bench.settle();
    assert_eq!((shares(&bench), sent(&bench)), (before + 1, moves));
    assert!(bench.step("Archived").remark.unwrap().contains("restored"));
}

#[test]
fn a_copy_that_is_declared_later_names_what_has_to_be_restored() {
    let mut bench = Bench::evidence(world(1));
    bench.spec.archive_after_days = Some(0);
    bench.settle();
    complete(&mut bench);
    whole(&mut bench);
    assert_eq!(archived(&bench), 1);
    bench.spec.copies = begun(world(1)).spec.copies;
    bench.settle();
    let refusal = blocked(&bench);
    assert_eq!(refusal.reason, Reason::Archived);
    assert!(refusal.message.contains("restore-snapshot-tier"), "{}", refusal.message);
    bench.world.snapshots.values_mut().for_each(|exhibit| exhibit.snapshot.archived = false);
    bench.settle();
    complete(&mut bench);
    assert_eq!(bench.world.copies[&there()].len(), 1);
    whole(&mut bench);
    assert_eq!(bench.record.keeping.archived.len(), 2, "its copy goes there, too");
}

#[test]
fn nothing_more_is_archived_once_it_is_not_declared_any_more() {
    let mut bench = declared(0);
    let (first, rest): (Vec<_>, Vec<_>) =
        bench.world.snapshots.keys().cloned().partition(|id| id.as_str() < "snap-00000003");
    assert_eq!((first.len(), rest.len()), (1, 1));
    for exhibit in bench.world.snapshots.values_mut().chain(bench.world.copies.values_mut().flatten().map(|(_, e)| e)) {
        exhibit.tier = None;
    }
    bench.world.snapshots.get_mut(&first[0]).unwrap().snapshot.archived = true;
    bench.spec.archive_after_days = None;
    let before = sent(&bench);
    bench.settle();
    assert_eq!(sent(&bench), before);
    assert!(bench.state("Archived").is_none_or(|state| state.is_settled()));
}

#[test]
fn a_failure_whose_beginning_aws_does_not_tell_is_tried_again_a_day_after_it_was_asked_for() {
    let mut bench = declared(0);
    let fail = |bench: &mut Bench<EvidenceSnapshot>| {
        let (tiering, detail) = (Tiering::ArchivalFailed, None);
        for exhibit in bench.world.snapshots.values_mut() {
            exhibit.tier = Some(Tier { archived: false, tiering, began: None, progress: 0, detail: detail.clone() });
        }
    };
    fail(&mut bench);
    whole(&mut bench);
    let before = sent(&bench);
    assert_eq!(said(&bench).reason, Reason::ArchivalFailed);
    bench.now = sample::later(bench.now, DAY - 120);
    bench.settle();
    assert_eq!(sent(&bench), before);
    bench.now = sample::later(bench.now, 240);
    bench.settle();
    assert_eq!(sent(&bench), before + 2);
    whole(&mut bench);
    assert_eq!(archived(&bench), 4);
}
