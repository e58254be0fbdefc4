//! Given what the evidence of a case says of its bytes, expect what the case says, and that it is ready without it.

use std::collections::BTreeMap;

use super::*;
use crate::playbook::closing::compose_case::tests::Desk;
use crate::playbook::project::{Verdict, verdict};
use crate::playbook::step::Refusal;

/// A case of one host with both moments preserved and nothing verified yet.
fn desk() -> Desk {
    let mut desk = Desk::new(1);
    desk.carry_out();
    desk.all_reached();
    for child in &mut desk.seen.children {
        if matches!(child.kind, ChildKind::Evidence(_)) {
            child.verified = Err(Refusal::new(Reason::InProgress, "0 of 3 snapshots are read"));
        }
    }
    desk
}

fn whole(desk: &Desk) -> Verdict {
    verdict(&desk.plan(), &BTreeMap::new())
}

#[test]
fn the_case_is_ready_while_bytes_are_read_and_says_so() {
    let mut desk = desk();
    let State::Working(refusal) = desk.state("EvidenceVerified") else { panic!() };
    assert_eq!(refusal.reason, Reason::InProgress);
    assert!(refusal.message.starts_with("0 of 2 sets verified; "), "{}", refusal.message);
    assert!(refusal.message.ends_with("0 of 3 snapshots are read"), "{}", refusal.message);
    let told = whole(&desk);
    assert!(
        told.ready && told.reason == Reason::Settled && told.message.contains("EvidenceVerified: 0 of 2"),
        "{told:?}"
    );
    for child in &mut desk.seen.children {
        child.verified = Ok(());
    }
    assert_eq!(desk.state("EvidenceVerified"), State::done("2 of 2 sets verified"));
    assert_eq!(whole(&desk).reason, Reason::Succeeded);
    // What it waits for otherwise it waits for still.
    desk.seen.children[0].reached = false;
    assert!(!whole(&desk).ready);
}

#[test]
fn what_contradicts_the_evidence_stops_the_case_and_what_can_not_be_read_does_not() {
    let mut desk = desk();
    let of = |desk: &mut Desk, suffix: &str, reason: Reason| {
        let child = desk.seen.children.iter_mut().find(|child| child.name.ends_with(suffix)).unwrap();
        child.stalled = Some(reason);
        child.verified = Err(Refusal::new(reason, "told by the child"));
    };
    of(&mut desk, "at-once", Reason::PermissionMissing);
    let State::Working(refusal) = desk.state("EvidenceVerified") else { panic!() };
    assert!(refusal.reason == Reason::PermissionMissing && refusal.message.contains("at-once: told"), "{refusal:?}");
    assert!(whole(&desk).ready, "evidence is safe without it");
    of(&mut desk, "after-isolation", Reason::Contradicted);
    let State::Blocked(refusal) = desk.state("EvidenceVerified") else { panic!() };
    assert!(refusal.reason == Reason::Contradicted && refusal.message.contains("after-isolation: told"), "{refusal:?}");
    let told = whole(&desk);
    assert!(!told.ready && told.stalled, "{told:?}");
}

#[test]
fn it_is_not_said_where_nobody_asks_for_it_and_not_waited_for_where_a_person_deleted_it() {
    let mut desk = desk();
    desk.seen.children.retain(|child| !child.name.ends_with("at-once"));
    for child in &mut desk.seen.children {
        child.verified = Ok(());
    }
    let State::Skipped(refusal) = desk.state("EvidenceVerified") else { panic!() };
    assert!(refusal.message.contains("1 of 2 sets verified; 1 deleted by a person"), "{}", refusal.message);
    desk.spec.evidence.verify = Verify::None;
    let steps = desk.plan().steps;
    assert_eq!(steps.iter().find(|step| step.name == "EvidenceVerified").unwrap().state, None);
}
