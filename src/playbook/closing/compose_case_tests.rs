//! Given a case and the children that are there, expect those that are missing, and one plan over those that wait.

use super::*;
use crate::api::approval::Action;
use crate::api::aws_account::LockMode;
use crate::api::evidence_snapshot::LockSpec;
use crate::api::forensic_case::{ContainmentSpec, EvidenceSpec, ForensicCaseSpec, Severity};
use crate::api::ids::InstanceId;
use crate::playbook::chain::sha256;
use crate::playbook::decide::{Plan, decide};
use crate::playbook::record::Record;
use crate::playbook::sample::{self, at};
use crate::playbook::step::{Account, Holder, Limits, Subject};
use crate::playbook::{CaseSeen, CaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

pub struct Desk {
    subject: Subject,
    pub spec: CaseSpec,
    account: Account,
    pub seen: CaseSeen,
    record: Record,
    limits: Limits,
}

impl Desk {
    pub fn new(hosts: usize) -> Self {
        let target = |n: usize| Target {
            account_ref: "prod".to_owned(),
            region: sample::region(),
            instance_id: InstanceId::parse(&format!("i-{n:08x}")).unwrap(),
        };
        let spec = ForensicCaseSpec {
            requested_by: Some("alice".to_owned()),
            title: "t".to_owned(),
            severity: Severity::High,
            targets: (0..hosts).map(target).collect(),
            containment: ContainmentSpec::default(),
            evidence: EvidenceSpec::default(),
        };
        Self {
            subject: sample::subject("ForensicCase"),
            spec,
            account: sample::account(),
            seen: CaseSeen::default(),
            record: Record::default(),
            limits: sample::limits(),
        }
    }

    pub fn plan(&self) -> Plan<ForensicCase> {
        decide(&View {
            subject: &self.subject,
            spec: &self.spec,
            account: &self.account,
            holder: &Holder::Unasked,
            approvals: &[],
            seen: &self.seen,
            record: &self.record,
            next_index: 4,
            now: at(9),
            limits: &self.limits,
        })
    }

    fn ensured(&self) -> Vec<(String, ChildKind)> {
        let plan = self.plan();
        let effects = plan.tracks.into_iter().flat_map(|track| track.stages).flatten();
        effects.map(|CaseEffect::Ensure { name, kind }| (name, *kind)).collect()
    }

    /// The API server has what was asked for; the plan's facts are in the chain.
    pub fn carry_out(&mut self) {
        for (name, kind) in self.ensured() {
            self.seen.children.retain(|child| child.name != name);
            self.seen.children.push(Child {
                uid: format!("uid-{name}"),
                name,
                kind,
                ready: false,
                reason: None,
                reached: false,
                verified: Ok(()),
                cut: false,
                made_by: None,
                stalled: None,
                shortfall: None,
                message: "m".to_owned(),
                plan: None,
                reached_at: None,
            });
        }
        let facts: Vec<_> = self.plan().facts.into_iter().map(crate::playbook::record::Entry::Fact).collect();
        self.record.fold(&facts, at(9));
    }

    pub fn state(&self, name: &str) -> State {
        self.plan().steps.into_iter().find(|step| step.name == name).unwrap().state.unwrap()
    }

    pub fn all_reached(&mut self) {
        for child in &mut self.seen.children {
            child.reached = true;
        }
    }

    pub fn child(&mut self, name: &str) -> &mut Child {
        self.seen.children.iter_mut().find(|child| child.name == name).unwrap()
    }
}

#[test]
fn a_quarantine_and_two_moments_for_each_host_at_their_final_level() {
    let mut desk = Desk::new(2);
    let names: Vec<String> = desk.ensured().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "one-i-00000000",
            "one-i-00000000-at-once",
            "one-i-00000000-after-isolation",
            "one-i-00000001",
            "one-i-00000001-at-once",
            "one-i-00000001-after-isolation"
        ]
    );
    for (_, kind) in desk.ensured() {
        match kind {
            ChildKind::Quarantine(spec) => {
                assert_eq!((spec.level, spec.case_ref.unwrap().name.as_str()), (Level::Isolated, "one"));
            }
            ChildKind::Evidence(spec) => {
                assert_eq!((spec.legal_hold, spec.requested_by.as_deref()), (true, Some("alice")));
            }
        }
    }
    desk.carry_out();
    assert!(desk.ensured().is_empty(), "and then nothing");
    assert_eq!(desk.state("PlanReady"), State::done("2 targets, 6 children"));
}

#[test]
fn no_moment_after_an_isolation_that_is_not_declared_and_none_lost_by_a_release() {
    let mut desk = Desk::new(1);
    desk.spec.containment.level = Level::Protected;
    assert_eq!(desk.ensured().len(), 2);
    desk.record.contained_at = Some(at(1));
    desk.spec.containment.level = Level::Released;
    assert_eq!(desk.ensured().len(), 3);
}

#[test]
fn a_child_that_says_something_else_is_set_right_and_one_that_went_further_is_left() {
    type Change = fn(&mut CaseSpec, &mut ChildKind);
    fn quarantine(kind: &mut ChildKind) -> &mut QuarantineSpec {
        let ChildKind::Quarantine(spec) = kind else { panic!("{kind:?}") };
        spec
    }
    let table: [(&str, Change, usize); 6] = [
        ("as declared", |_, _| {}, 0),
        ("lower", |_, child| quarantine(child).level = Level::Protected, 1),
        ("raised by a person", |case, _| case.containment.level = Level::Protected, 0),
        ("released by a person", |_, child| quarantine(child).level = Level::Released, 0),
        ("the case is released", |case, _| case.containment.level = Level::Released, 1),
        ("another pulse", |_, child| quarantine(child).isolation.pulse = crate::api::quarantine::Pulse::Never, 1),
    ];
    for (given, change, expected) in table {
        let mut desk = Desk::new(1);
        desk.spec.evidence.moments.clear();
        desk.carry_out();
        change(&mut desk.spec, &mut desk.seen.children[0].kind);
        assert_eq!(desk.ensured().len(), expected, "{given}");
    }
    let mut desk = Desk::new(1);
    desk.carry_out();
    desk.spec.evidence.share = sample::shared_with_forensics();
    assert_eq!(desk.ensured().len(), 2, "evidence follows what the case declares");
    desk.carry_out();
    desk.spec.evidence.legal_hold = false;
    assert_eq!(desk.ensured().len(), 2);
}

#[test]
fn one_signature_covers_the_plans_of_those_that_wait() {
    let mut desk = Desk::new(2);
    desk.carry_out();
    let hash = |text: &str| sha256(text.as_bytes());
    desk.child("one-i-00000000").plan = Some((Action::Isolate, hash("a"), vec!["cut a".to_owned()]));
    desk.child("one-i-00000001").plan = Some((Action::Isolate, hash("b"), vec!["cut b".to_owned()]));
    assert_eq!(desk.state("PlanReady"), State::Awaiting(Action::Isolate));
    desk.carry_out();
    let plan = desk.record.plans[&Action::Isolate].clone();
    assert_eq!(plan.hash, hash_of_leaves(&plan.leaves));
    assert_eq!((plan.leaves.len(), plan.lines.join(" "), plan.index), (2, "cut a cut b".to_owned(), 4));
    desk.carry_out();
    assert_eq!(desk.record.plans[&Action::Isolate], plan, "published once");
    assert!(desk.plan().facts.is_empty());
    // A child's plan changed: what was signed does not cover it.
    desk.child("one-i-00000000").plan = None;
    desk.carry_out();
    assert_eq!(
        desk.record.plans[&Action::Isolate],
        plan,
        "one that carried its own out leaves the signature to the others"
    );
    desk.child("one-i-00000001").plan = Some((Action::Isolate, hash("c"), Vec::new()));
    desk.carry_out();
    assert_ne!(desk.record.plans[&Action::Isolate].hash, plan.hash);
    // Different actions are different signatures.
    desk.child("one-i-00000001").plan = Some((Action::Release, hash("d"), Vec::new()));
    desk.carry_out();
    assert_eq!(desk.record.plans.len(), 2);
}

#[test]
fn a_plan_too_long_to_show_names_every_host_and_says_that_it_is_cut() {
    let mut desk = Desk::new(128);
    desk.spec.evidence.moments.clear();
    desk.carry_out();
    for (n, child) in desk.seen.children.iter_mut().enumerate() {
        let lines = vec![format!("cut {n}"), "second".to_owned(), "third".to_owned()];
        child.plan = Some((Action::Isolate, sha256(child.name.as_bytes()), lines));
    }
    desk.carry_out();
    let lines = &desk.record.plans[&Action::Isolate].lines;
    assert_eq!((lines.len(), lines.iter().filter(|line| line.starts_with("cut ")).count()), (256, 128));
    assert_eq!(lines[255], "and 129 lines more: read status.plan of each child before you approve");
    assert!(crate::playbook::chain::canonical(&desk.record.plans).len() < crate::playbook::chain::MAX_BODY / 2);
    for child in &mut desk.seen.children {
        child.plan = Some((Action::Isolate, sha256(b"longer"), vec![format!("{:<200}", child.name), "x".repeat(500)]));
    }
    desk.carry_out();
    let plan = &desk.record.plans[&Action::Isolate];
    assert_eq!((plan.leaves.len(), plan.lines.iter().filter(|line| line.starts_with("one-")).count()), (128, 128));
    assert!(crate::playbook::chain::canonical(plan).len() < crate::playbook::chain::MAX_BODY, "a record can say it");
}

#[test]
fn what_a_child_did_not_do_is_said_by_the_case_too() {
    let mut desk = Desk::new(1);
    desk.carry_out();
    desk.all_reached();
    desk.child("one-i-00000000-at-once").shortfall = Some("Shared: not this one".to_owned());
    let verdict = crate::playbook::project::verdict(&desk.plan(), &BTreeMap::new());
    assert_eq!((verdict.ready, verdict.reason), (true, Reason::Settled));
    assert_eq!(verdict.message, "EvidencePreserved: one-i-00000000-at-once: Shared: not this one");
}

#[test]
fn a_host_that_was_released_by_itself_is_not_called_held() {
    let mut desk = Desk::new(2);
    desk.carry_out();
    desk.all_reached();
    let ChildKind::Quarantine(spec) = &mut desk.child("one-i-00000001").kind else { panic!() };
    spec.level = Level::Released;
    let State::Skipped(refusal) = desk.state("Contained") else { panic!() };
    assert_eq!(refusal.message, "1 of 2 hosts held; 1 released by themselves");
    desk.carry_out();
    assert_eq!(desk.record.contained_at, None);
}

#[test]
fn what_an_earlier_case_of_the_same_name_left_is_not_taken_for_ours() {
    let mut desk = Desk::new(1);
    desk.carry_out();
    for child in &mut desk.seen.children {
        (child.made_by, child.reached) = (Some("uid-of-an-earlier-one".to_owned()), true);
    }
    assert!(matches!(desk.state("PlanReady"), State::Blocked(r) if r.reason == Reason::Conflict));
    assert!(!desk.state("Contained").is_settled() && !desk.state("EvidencePreserved").is_settled());
}

#[test]
fn contained_and_preserved_when_every_child_says_so() {
    let mut desk = Desk::new(2);
    desk.carry_out();
    desk.child("one-i-00000000").reached = true;
    let State::Working(refusal) = desk.state("Contained") else { panic!() };
    assert_eq!(refusal.message, "1 of 2 hosts; one-i-00000001: m", "and who is waited for");
    desk.child("one-i-00000001").stalled = Some(Reason::InstanceNotFound);
    let State::Blocked(refusal) = desk.state("Contained") else { panic!() };
    assert_eq!(refusal.reason, Reason::InstanceNotFound, "nobody waits for what only a person can mend");
    desk.child("one-i-00000001").reached = true;
    assert!(matches!(desk.state("Contained"), State::Done(_)));
    assert!(!desk.state("EvidencePreserved").is_settled());
    desk.all_reached();
    desk.carry_out();
    assert_eq!((desk.record.contained_at, desk.record.preserved_at), (Some(at(9)), Some(at(9))));
    assert!(desk.plan().facts.is_empty(), "said once");
    desk.spec.containment.level = Level::Released;
    assert!(matches!(desk.state("Contained"), State::Skipped(r) if r.reason == Reason::Released));
    desk.spec.evidence.moments.clear();
    assert!(matches!(desk.state("EvidencePreserved"), State::Skipped(r) if r.reason == Reason::NotDeclared));
}

#[test]
fn a_set_that_lacks_a_volume_is_not_waited_for() {
    let mut desk = Desk::new(1);
    desk.carry_out();
    for child in &mut desk.seen.children {
        (child.ready, child.reached) = (true, true);
    }
    let child = desk.child("one-i-00000000-at-once");
    (child.reached, child.shortfall) = (false, Some("Preserved: without vol-1".to_owned()));
    let State::Blocked(refusal) = desk.state("EvidencePreserved") else {
        panic!("{:?}", desk.state("EvidencePreserved"))
    };
    assert_eq!(refusal.reason, Reason::PartialFailure);
    assert!(refusal.message.contains("1 of 2 sets") && refusal.message.contains("vol-1"), "{}", refusal.message);
}

/// A name says which host a child is for only as long as nobody else used it first.
#[test]
fn a_child_of_the_right_name_for_another_host_is_no_child() {
    let mut desk = Desk::new(2);
    desk.carry_out();
    desk.all_reached();
    let other = InstanceId::parse("i-0000000f").unwrap();
    let ChildKind::Quarantine(spec) = &mut desk.child("one-i-00000000").kind else { panic!("a Quarantine") };
    spec.target.instance_id = other.clone();
    let State::Blocked(refusal) = desk.state("PlanReady") else { panic!("{:?}", desk.state("PlanReady")) };
    assert_eq!(refusal.reason, Reason::Conflict);
    assert!(refusal.message.starts_with("one-i-00000000 is there already, about i-0000000f"), "{}", refusal.message);
    let contained = desk.state("Contained");
    assert_eq!(contained, State::working(Reason::InProgress, "1 of 2 hosts"), "another host counts for none of ours");
    let ChildKind::Evidence(spec) = &mut desk.child("one-i-00000001-at-once").kind else { panic!("evidence") };
    spec.source.instance.as_mut().unwrap().instance_id = other;
    assert_eq!(desk.state("EvidencePreserved"), State::working(Reason::InProgress, "3 of 4 sets"));
    // The others are seen to all the same.
    desk.seen.children.retain(|child| child.name == "one-i-00000000");
    desk.record.made.clear();
    assert_eq!(desk.ensured().len(), 5);
}

#[test]
fn a_child_that_a_person_deleted_is_not_made_again() {
    let mut desk = Desk::new(2);
    desk.carry_out();
    desk.carry_out();
    desk.all_reached();
    assert_eq!(desk.record.made.len(), 6);
    desk.seen.children.retain(|child| child.name != "one-i-00000000-at-once" && child.name != "one-i-00000001");
    assert!(desk.ensured().is_empty());
    let preserved = "3 of 4 sets complete and locked; 1 deleted by a person, and not taken again";
    assert_eq!(desk.state("EvidencePreserved"), State::skipped(Reason::NotDeclared, preserved));
    let contained = "1 of 2 hosts held; 1 released by themselves";
    assert_eq!(desk.state("Contained"), State::skipped(Reason::Released, contained));
}

/// Else the API server would refuse the whole of it, at each turn.
#[test]
fn what_changes_on_a_case_reaches_a_child_that_a_person_raised() {
    let mut desk = Desk::new(1);
    desk.spec.containment.level = Level::Protected;
    desk.carry_out();
    let ChildKind::Quarantine(spec) = &mut desk.child("one-i-00000000").kind else { panic!("a Quarantine") };
    spec.level = Level::Isolated;
    desk.spec.containment.isolation.pulse = crate::api::quarantine::Pulse::Never;
    let ensured = desk.ensured();
    let [(_, ChildKind::Quarantine(wish))] = ensured.as_slice() else { panic!("{ensured:?}") };
    assert_eq!(wish.level, Level::Isolated, "levels never fall");
    assert_eq!(wish.isolation.pulse, crate::api::quarantine::Pulse::Never);
}

#[test]
fn a_child_that_is_kept_longer_or_locked_more_firmly_is_left_so() {
    let lock = |mode, seconds| Some(LockSpec { mode, until: MetaTime(at(seconds)) });
    let mut desk = Desk::new(1);
    desk.carry_out();
    let name = "one-i-00000000-at-once";
    let raise = |desk: &mut Desk, lock: Option<LockSpec>| {
        let ChildKind::Evidence(spec) = &mut desk.child(name).kind else { panic!() };
        (spec.retain_until, spec.lock) = (Some(MetaTime(at(900))), lock);
    };
    // Declared by the case, or not: later, firmer, and neither.
    for declared in [None, Some(100)] {
        desk.spec.evidence.retain_until = declared.map(|seconds| MetaTime(at(seconds)));
        desk.spec.evidence.lock = declared.and_then(|seconds| lock(LockMode::Governance, seconds));
        desk.carry_out();
        raise(&mut desk, lock(LockMode::Compliance, 900));
        assert!(desk.ensured().is_empty(), "{declared:?}: {:?}", desk.ensured());
        // What else the case says is said with what the child has.
        desk.spec.evidence.archive_after_days = Some(u32::from(declared.is_some()));
        let ensured = desk.ensured();
        let (_, ChildKind::Evidence(spec)) = ensured.iter().find(|(of, _)| of == name).unwrap() else { panic!() };
        assert_eq!(spec.retain_until, Some(MetaTime(at(900))));
        assert_eq!(spec.lock, lock(LockMode::Compliance, 900));
        desk.carry_out();
    }
    desk.spec.evidence.retain_until = Some(MetaTime(at(1000)));
    desk.spec.evidence.lock = lock(LockMode::Governance, 1000);
    let ensured = desk.ensured();
    let (_, ChildKind::Evidence(spec)) = ensured.iter().find(|(of, _)| of == name).unwrap() else { panic!() };
    assert_eq!(spec.retain_until, Some(MetaTime(at(1000))), "later than the child's own");
    assert_eq!(spec.lock, lock(LockMode::Compliance, 1000));
}
