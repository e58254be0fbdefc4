//! The model: the shipped decision, the shipped executor and the shipped chain, under every interleaving of crashes, late
//! and lost requests, stale looks, throttles, two replicas, operators and attackers that a budget allows.
//!
//! `make model` prints how many states that were. Each property is checked in each of them, and from each of them a run
//! without faults must come to rest. The second half plants bugs and demands that they are found. A plain `cargo test`
//! takes the small scenes alone; `SEQUESTER_MODEL=wide make model` takes larger budgets.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]
#![allow(clippy::print_stdout, reason = "counts and traces are the result")]

mod model {
    pub mod action;
    pub mod budget;
    pub mod canon;
    pub mod check;
    pub mod checks;
    pub mod deeds;
    pub mod evidence;
    pub mod kind;
    pub mod links;
    pub mod machine;
    pub mod marks;
    pub mod memo;
    pub mod mutants;
    pub mod quarantine;
    pub mod rest;
    pub mod scenes;
    pub mod sending;
    pub mod stage;
    pub mod state;
    pub mod turn;
    pub mod words;
}

use model::check::{kills, prove};
use model::kind::name;
use model::marks::Mark;
use model::mutants::Mutation;
use model::scenes;
use sequester::playbook::{EvidenceSnapshot, Quarantine};

/// What can go wrong between a replica and AWS.
const FAULTS: &[Mark] = &[
    Mark::Crashed,
    Mark::Paused,
    Mark::LostReply,
    Mark::Throttled,
    Mark::Landed,
    Mark::DiedSending,
    Mark::StaleDecision,
];
/// What can go wrong between replicas.
const REPLICAS: &[Mark] = &[Mark::Moved, Mark::Refused, Mark::Relearned, Mark::DeposedSent];
/// A host that is held.
const HELD: &[Mark] = &[
    Mark::Described,
    Mark::Surrounded,
    Mark::GroupMade,
    Mark::Isolated,
    Mark::RulesRevoked,
    Mark::Contained,
    Mark::RestedReady,
];
const DRIFT: &[Mark] = &[Mark::Foreign, Mark::Drift, Mark::ForeignRules];
const PULSE: &[Mark] = &[Mark::Opened, Mark::FoundOpen];
/// A person asks, and another one approves.
const ASKED: &[Mark] = &[Mark::Edited, Mark::PlanPublished, Mark::Approved, Mark::Decided, Mark::RestedWaiting];
const RELEASED: &[Mark] = &[Mark::GroupsBack, Mark::Released];
/// A set, and a request that may not be sent twice.
const TAKEN: &[Mark] = &[
    Mark::SetTaken,
    Mark::Withheld,
    Mark::Resent,
    Mark::Adopted,
    Mark::Unknown,
    Mark::Failed,
    Mark::SnapshotSettled,
    Mark::Locked,
    Mark::Preserved,
    Mark::RestedReady,
];
const SHARED: &[Mark] = &[Mark::ByAws, Mark::Granted, Mark::Shared, Mark::Digested];
/// The key's policy, in which somebody writes, too.
const LENT: &[Mark] =
    &[Mark::Lent, Mark::TakenBack, Mark::Foreign, Mark::Drift, Mark::Copied, Mark::RestedReady, Mark::RestedStalled];
/// Its copy, which may not be asked for twice either.
const COPIED: &[Mark] = &[
    Mark::ByAws,
    Mark::Shared,
    Mark::Copied,
    Mark::CopiedAgain,
    Mark::Adopted,
    Mark::Unknown,
    Mark::Locked,
    Mark::Preserved,
    Mark::RestedReady,
];

macro_rules! scenes {
    ($($(#[$attribute:meta])* $scene:ident of $kind:ident: $states:literal, reaches $($marks:expr),+;)+) => {
        $(#[test]
        $(#[$attribute])*
        fn $scene() {
            prove::<$kind>(scenes::$scene(), $states, &[$($marks),+]);
        })+
    };
}

// With the states that each had when it was last looked at.
scenes! {
    isolation of Quarantine: 9_875, reaches FAULTS, HELD, &[Mark::Adopted];
    #[ignore = "some seconds: make model"]
    drift of Quarantine: 10_659, reaches FAULTS, HELD, DRIFT;
    drift_twice of Quarantine: 1_750, reaches HELD, DRIFT;
    #[ignore = "some seconds: make model"]
    isolation_by_two of Quarantine: 88_043, reaches FAULTS, REPLICAS, HELD, DRIFT;
    #[ignore = "some seconds: make model"]
    two_interfaces of Quarantine: 20_628, reaches FAULTS, HELD, DRIFT, &[Mark::Protected];
    #[ignore = "some seconds: make model"]
    pulse of Quarantine: 42_062, reaches FAULTS, HELD, DRIFT, PULSE;
    #[ignore = "some seconds: make model"]
    pulse_by_two of Quarantine: 156_308, reaches FAULTS, REPLICAS, HELD, PULSE;
    approval of Quarantine: 9_022, reaches FAULTS, HELD, DRIFT, ASKED;
    #[ignore = "some seconds: make model"]
    release of Quarantine: 13_006, reaches FAULTS, HELD, ASKED, RELEASED, &[Mark::Protected, Mark::ProtectionBack];
    #[ignore = "some seconds: make model"]
    release_with_drift of Quarantine: 68_190, reaches FAULTS, HELD, DRIFT, ASKED, RELEASED, &[Mark::Left];
    #[ignore = "some seconds: make model"]
    release_of_a_pulse of Quarantine: 115_038, reaches FAULTS, HELD, PULSE, ASKED, RELEASED;
    #[ignore = "some seconds: make model"]
    release_by_two of Quarantine: 220_165, reaches FAULTS, REPLICAS, HELD, ASKED, RELEASED;
    #[ignore = "some seconds: make model"]
    group of Quarantine: 13_781, reaches FAULTS, ASKED, &[Mark::Detached, Mark::BackInGroup, Mark::Released];
    #[ignore = "some seconds: make model"]
    balancers of Quarantine: 97_811, reaches FAULTS, ASKED, &[Mark::Deregistered, Mark::BackWithBalancers, Mark::Foreign, Mark::Released];
    #[ignore = "some seconds: make model"]
    deletion of Quarantine: 72_189, reaches FAULTS, HELD, DRIFT, ASKED, RELEASED, &[Mark::Deleted];
    one_set of EvidenceSnapshot: 1_329, reaches FAULTS, TAKEN;
    #[ignore = "some seconds: make model"]
    one_set_by_two of EvidenceSnapshot: 106_832, reaches FAULTS, REPLICAS, TAKEN;
    #[ignore = "some seconds: make model"]
    kept of EvidenceSnapshot: 254_238, reaches FAULTS, TAKEN, SHARED,
        &[Mark::Foreign, Mark::StrangersOut, Mark::RestedStalled];
    #[ignore = "some seconds: make model"]
    kept_by_two of EvidenceSnapshot: 192_490, reaches FAULTS, REPLICAS, TAKEN, SHARED;
    #[ignore = "some seconds: make model"]
    copied of EvidenceSnapshot: 22_507, reaches FAULTS, COPIED;
    lent of EvidenceSnapshot: 2_150, reaches LENT;
}

macro_rules! bugs {
    ($($bug:ident: $mutation:ident in $scene:ident of $kind:ident, found by $property:ident;)+) => {
        $(#[test]
        fn $bug() {
            kills::<$kind>(scenes::$scene(), Mutation::$mutation, name::$property);
        })+
    };
}

bugs! {
    a_set_asked_for_again_at_once: NoWait in one_set of EvidenceSnapshot, found by S4;
    a_wait_shorter_than_lease_and_deadline: ShortWait in one_set_by_two of EvidenceSnapshot, found by S4;
    a_look_from_before_the_wait: OldView in one_set of EvidenceSnapshot, found by S4;
    a_request_that_leaves_late: SlowSend in one_set_by_two of EvidenceSnapshot, found by S4;
    a_retry_below_us: SdkRetry in one_set of EvidenceSnapshot, found by S4;
    a_look_up_by_name: LookUpByName in kept of EvidenceSnapshot, found by S4;
    a_status_taken_for_the_log: StatusAsLog in one_set of EvidenceSnapshot, found by S4;
    a_part_taken_for_the_set: AdoptPartial in one_set of EvidenceSnapshot, found by S3;
    a_lock_that_ends_earlier: ShorterLock in kept of EvidenceSnapshot, found by S1;
    a_share_before_the_lock: ShareBeforeLock in kept of EvidenceSnapshot, found by S5;
    a_policy_that_is_not_seen_any_more: PolicyUnseen in lent of EvidenceSnapshot, found by L1;
    a_lock_left_for_later: LockLater in kept of EvidenceSnapshot, found by S5;
    a_copy_asked_for_again_at_once: CopyAtOnce in copied of EvidenceSnapshot, found by S4;
    a_copy_before_the_lock: CopyBeforeLock in copied of EvidenceSnapshot, found by S5;
    a_share_with_anybody: AnyDestination in kept of EvidenceSnapshot, found by S6;
    an_intent_after_the_send: IntentAfterSend in isolation of Quarantine, found by S8;
    an_outcome_before_the_reply: OutcomeBeforeReply in isolation of Quarantine, found by S9;
    a_link_without_a_fence: UnfencedAppend in isolation_by_two of Quarantine, found by S10;
    a_pulse_in_public: PulseInPublic in pulse of Quarantine, found by S13;
    a_finalizer_that_gives_back: ReopenOnDelete in deletion of Quarantine, found by S13;
    drift_that_is_not_seen: DriftUnseen in drift of Quarantine, found by S14;
    rules_that_are_not_seen: RulesUnseen in drift of Quarantine, found by S14;
    a_release_that_does_not_wait: ReleaseAtOnce in release of Quarantine, found by S15;
    a_release_that_does_not_compare: ReleaseBlindly in release_with_drift of Quarantine, found by S15;
    a_baseline_that_is_read_again: BaselineAgain in drift of Quarantine, found by S16;
    a_second_pulse: PulseTwice in pulse of Quarantine, found by S20;
    a_replacement_that_is_forgotten: ForgetsReplacement in group of Quarantine, found by CAPACITY;
    a_release_of_a_group_that_does_not_wait: ReleaseAtOnce in group of Quarantine, found by S15;
    registrations_that_are_not_seen: RegistrationsUnseen in balancers of Quarantine, found by S14;
    a_release_to_balancers_that_does_not_wait: ReleaseAtOnce in balancers of Quarantine, found by S15;
    a_link_in_every_turn: AlwaysWrites in isolation of Quarantine, found by S20;
    not_found_taken_for_gone: NotFoundIsGone in drift of Quarantine, found by S21;
    a_throttle_taken_for_a_failure: ThrottleIsFailure in isolation of Quarantine, found by L1;
    an_isolation_without_a_yes: NoGate in approval of Quarantine, found by GATE;
}
