//! Given a table, expect its order: what waits for what, what is held back, and what needs a person.

use proptest::prelude::*;

use super::*;
use crate::api::quarantine::{Level, Pulse};
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::record::{Applied, OperationId};
use crate::playbook::sample::{self, Bench, at, group, interface};
use crate::playbook::seen::{Read, ReadFailure};
use crate::playbook::{EvidenceSnapshot, Quarantine, QuarantineSeen};

fn states<P: Procedure>(plan: &Plan<P>) -> Vec<(&'static str, &'static str)> {
    let word = |state: &Option<State>| match state {
        None => "-",
        Some(State::Done(_)) => "done",
        Some(State::Skipped(_)) => "skipped",
        Some(State::Working(_)) => "working",
        Some(State::Awaiting(_)) => "awaiting",
        Some(State::Blocked(_)) => "blocked",
        Some(State::Unknown(_)) => "unknown",
    };
    plan.steps.iter().map(|step| (step.name, word(&step.state))).collect()
}

fn tracks<P: Procedure>(plan: &Plan<P>) -> Vec<&'static str> {
    plan.tracks.iter().map(|track| track.step).collect()
}

#[test]
fn a_step_waits_for_those_named_in_after_and_for_no_other() {
    let mut bench: Bench<EvidenceSnapshot> = Bench::evidence(sample::world(1, 2));
    bench.spec.share = sample::shared_with_forensics();
    let plan = bench.plan();
    assert_eq!(
        states(&plan),
        [
            ("VolumesSnapshotted", "working"),
            ("Locked", "working"),
            ("Shared", "working"),
            ("Copied", "-"),
            ("Verified", "working"),
            ("Preserved", "working"),
            ("Archived", "-"),
            ("HoldLifted", "-"),
            ("LockWaived", "-"),
        ]
    );
    assert_eq!(tracks(&plan), ["VolumesSnapshotted"]);
    bench.settle();
    // Locked while pending: the lock waits for nothing, sharing for both.
    let plan = bench.plan();
    assert_eq!(states(&plan)[1], ("Locked", "done"));
    assert_eq!(states(&plan)[2], ("Shared", "working"));
    bench.world.complete_snapshots();
    bench.settle();
    let undeclared = ["Copied", "Archived", "HoldLifted", "LockWaived"];
    assert!(states(&bench.plan()).iter().all(|(name, state)| *state == "done" || undeclared.contains(name)));
}

#[test]
fn a_step_that_is_not_declared_says_nothing() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Protected, sample::world(1, 1));
    bench.settle();
    let expected = [
        ("MetadataCaptured", "done"),
        ("MinimumLowered", "-"),
        ("ReplacementStopped", "skipped"),
        ("Protected", "done"),
        ("MemoryCaptured", "skipped"),
        ("Detached", "-"),
        ("Deregistered", "-"),
        ("Isolated", "-"),
        ("CredentialsCut", "-"),
        ("FlowsCut", "-"),
    ];
    assert_eq!(states(&bench.plan()), expected);
}

#[test]
fn what_only_prepares_holds_the_others_back_for_one_turn() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    let plan = bench.plan();
    assert_eq!(tracks(&plan), ["Isolated"], "the group, and nothing that the next turn would have to wait for");
    assert!(plan.facts.iter().any(|fact| matches!(fact, Fact::Metadata { .. })), "facts are not held back");
    bench.turn();
    bench.turn();
    assert!(bench.operations().contains(&"ModifyNetworkInterfaceAttribute"));
    assert!(bench.operations().contains(&"ModifyInstanceAttribute"), "side by side");
}

#[test]
fn a_closed_gate_takes_the_changes_of_its_own_steps_alone() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.account.required.insert(Action::Isolate, 1);
    let plan = bench.plan();
    assert_eq!(tracks(&plan), ["Protected"]);
    assert_eq!((plan.awaiting, states(&plan)[7]), (Some(Action::Isolate), ("Isolated", "awaiting")));
    let published = plan.published.clone().unwrap();
    assert!(plan.facts.contains(&Fact::PlanPublished(published)), "published at once");
    let baselines = plan.facts.iter().filter(|f| matches!(f, Fact::Baseline { attribute: Attribute::Groups(_), .. }));
    assert_eq!(baselines.count(), 0);
}

#[test]
fn a_release_runs_backwards_behind_one_gate() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.settle();
    bench.spec.level = Level::Released;
    let plan = bench.plan();
    assert_eq!(plan.awaiting, Some(Action::Release));
    let held: Vec<_> = states(&plan).into_iter().filter(|(_, state)| *state == "done").collect();
    assert_eq!(
        held,
        [("MetadataCaptured", "done"), ("Protected", "done"), ("Deregistered", "done"), ("Isolated", "done")],
        "until then"
    );
    assert!(plan.tracks.is_empty());
    bench.turn();
    assert_eq!(
        bench.facts().filter(|fact| matches!(fact, Fact::Restored { .. } | Fact::LeftAsFound { .. })).count(),
        0
    );
    bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
    let plan = bench.plan();
    assert_eq!(tracks(&plan), ["Isolated"], "what was done last is undone first");
    assert_eq!(plan.decisions.len(), 1, "and who allowed it stands in the same record");
    bench.settle();
    assert!(!bench.plan().released, "given back, and watched until nothing can be on its way any more");
    assert_eq!(bench.plan().again_in, Some(5));
    bench.see_out();
    assert!(bench.plan().released);
}

#[test]
fn what_is_held_stays_enforced_while_a_release_waits() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.settle();
    bench.spec.level = Level::Released;
    bench.turn();
    bench.world.interfaces.get_mut(&sample::interface(0)).unwrap().interface.groups = [sample::group(0)].into();
    let plan = bench.plan();
    assert_eq!((tracks(&plan), plan.awaiting), (vec!["Isolated"], Some(Action::Release)));
    bench.turn();
    assert!(!bench.world.interfaces[&sample::interface(0)].interface.groups.contains(&sample::group(0)));
    assert!(bench.facts().any(|fact| matches!(fact, Fact::Drift { .. })));
    bench.settle();
    assert_eq!(bench.plan().awaiting, Some(Action::Release), "and still waits");
}

#[test]
fn who_may_not_begin_touches_nothing() {
    type Setup = fn(&mut Bench<Quarantine>);
    let table: [(&str, Setup, Reason); 9] = [
        ("held elsewhere", |b| b.holder = crate::playbook::step::Holder::Other, Reason::HeldElsewhere),
        (
            "the account is not ready",
            |b| b.account.ready = Err(Refusal::new(Reason::RoleNotAssumable, "m")),
            Reason::RoleNotAssumable,
        ),
        ("the namespace", |b| b.account.namespace_allowed = false, Reason::NamespaceNotAllowed),
        ("the Region", |b| b.account.regions.clear(), Reason::RegionNotAllowed),
        ("not asked", |b| b.lens = |seen| seen.instance = Read::NotRead, Reason::NotObserved),
        ("no such host", |b| b.world.instances.clear(), Reason::InstanceNotFound),
        (
            "throttled",
            |b| {
                b.lens = |seen| {
                    seen.instance = Read::Failed(ReadFailure { reason: Reason::Throttled, message: "m".to_owned() });
                }
            },
            Reason::Throttled,
        ),
        (
            "of another account",
            |b| {
                b.world.instances.values_mut().for_each(|host| host.instance.owner = sample::forensics_id());
            },
            Reason::WrongAccount,
        ),
        (
            "terminated",
            |b| {
                b.world
                    .instances
                    .values_mut()
                    .for_each(|h| h.instance.state = crate::playbook::seen::InstanceState::Terminated);
            },
            Reason::InstanceTerminated,
        ),
    ];
    for (given, setup, reason) in table {
        let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        setup(&mut bench);
        assert!(!bench.turn(), "{given}");
        assert_eq!(bench.verdict().reason, reason, "{given}");
        assert!(bench.plan().steps.is_empty() && bench.plan().again_in.is_some(), "{given}");
        bench.spec.level = Level::Released;
        bench.settle();
        assert!(bench.record.released && bench.sent.is_empty(), "{given}: and can be let go");
    }
}

#[test]
fn a_look_without_an_answer_is_told_from_one_that_a_person_must_mend() {
    type Lens = fn(&mut QuarantineSeen);
    fn failed<T>(reason: Reason) -> Read<T> {
        Read::Failed(ReadFailure { reason, message: "m".to_owned() })
    }
    let table: [(&str, Lens, bool); 7] = [
        ("answered", |_| {}, false),
        ("the host, throttled", |seen| seen.instance = failed(Reason::Throttled), true),
        ("the host, denied", |seen| seen.instance = failed(Reason::PermissionMissing), false),
        ("its groups, unavailable", |seen| seen.groups = failed(Reason::AwsUnavailable), true),
        ("its protections, throttled", |seen| seen.protections = failed(Reason::Throttled), true),
        (
            "its surroundings, throttled, which it asks for in its own time",
            |seen| seen.surroundings = failed(Reason::Throttled),
            false,
        ),
        ("its surroundings, denied", |seen| seen.surroundings = failed(Reason::PermissionMissing), false),
    ];
    for (given, lens, expected) in table {
        let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(1, 1));
        bench.lens = lens;
        assert_eq!(bench.plan().unanswered, expected, "{given}");
    }
}

/// Any host, in any state of any chain: parts unread, absent, failed; groups of ours or not; things half done.
fn anything() -> impl Strategy<Value = (QuarantineSeen, crate::playbook::record::Record, Level, bool)> {
    let level = prop_oneof![Just(Level::Protected), Just(Level::Isolated), Just(Level::Released)];
    let bits = proptest::collection::vec(any::<bool>(), 24);
    let picks = proptest::collection::vec(0_u8..5, 8);
    (level, bits, picks, any::<bool>()).prop_map(|(level, bits, picks, required)| {
        let mut bench: Bench<Quarantine> =
            Bench::quarantine(Level::Isolated, sample::world(1 + usize::from(bits[0]), 1));
        bench.spec.isolation.pulse = if bits[1] { Pulse::Auto } else { Pulse::Never };
        for _ in 0..picks[0] + picks[1] {
            bench.turn();
        }
        if bits[2] {
            bench.world.groups.retain(|_, group| group.name == "web");
        }
        if bits[3] {
            bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [group(0)].into());
        }
        if bits[4] {
            bench
                .world
                .interfaces
                .values_mut()
                .for_each(|port| port.interface.public_ips = vec!["203.0.113.1".to_owned()]);
        }
        let mut seen = bench.seen();
        let failed = ReadFailure { reason: Reason::Throttled, message: "m".to_owned() };
        macro_rules! spoil {
            ($part:ident, $pick:expr) => {
                match $pick {
                    0 => seen.$part = Read::NotRead,
                    1 => seen.$part = Read::Absent { asked_at: at(0) },
                    2 => seen.$part = Read::Failed(failed.clone()),
                    _ => {}
                }
            };
        }
        spoil!(instance, picks[2] + 2);
        spoil!(interfaces, picks[3]);
        spoil!(protections, picks[4]);
        spoil!(groups, picks[5]);
        spoil!(surroundings, picks[6]);
        spoil!(former_groups, picks[7]);
        let mut record = bench.record.clone();
        if bits[5] {
            record.verified.clear();
        }
        if bits[6] {
            record.baseline.clear();
        }
        if bits[7] {
            let operation = OperationId("x".to_owned());
            record.applied.insert(Attribute::Groups(interface(7)), Applied { value: Value::Flag(true), operation });
        }
        if bits[8] {
            record.contained_at = None;
        }
        (seen, record, level, required)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn deciding_is_total_and_says_the_same_twice((seen, record, level, required) in anything()) {
        let mut bench: Bench<Quarantine> = Bench::quarantine(level, sample::world(1, 1));
        if required {
            bench.account.required.insert(Action::Isolate, 1);
        }
        bench.record = record;
        let (once, twice) = (bench.with(&seen, decide), bench.with(&seen, decide));
        prop_assert_eq!(format!("{once:?}"), format!("{twice:?}"));
        // Whoever refuses does nothing at all.
        prop_assert!(once.refused.is_none() || once.tracks.is_empty() && once.facts.is_empty());
        // No change of a step that awaits, or that the declaration does not ask for.
        for track in &once.tracks {
            let state = once.steps.iter().find(|step| step.name == track.step).and_then(|step| step.state.clone());
            prop_assert!(matches!(state, Some(State::Working(_) | State::Done(_) | State::Skipped(_))), "{:?}", state);
        }
        // Nothing is given back without a decision, and nothing is opened but in a pulse.
        let gives_back = once.tracks.iter().flat_map(|track| track.stages.iter().flatten()).any(|effect| match effect {
            crate::playbook::effect::Effect::ReplaceSecurityGroups { groups, .. } => groups.contains(&group(0)),
            crate::playbook::effect::Effect::SetTerminationProtection { enabled, .. } => !enabled,
            _ => false,
        });
        prop_assert!(!gives_back || level == Level::Released && !once.decisions.is_empty());
    }
}
