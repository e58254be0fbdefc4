//! The model: the shipped decision, the shipped executor and the shipped chain, under every interleaving of crashes, late
//! and lost requests, stale looks, throttles, two replicas, operators and attackers that a budget allows.
//!
//! `make model` prints how many states that were. Each property of `docs/` is checked in each of them, and from each of
//! them a run without faults must come to rest. The second half plants bugs and demands that they are found.

mod model {
    pub mod check;
    pub mod checks;
    pub mod evidence;
    pub mod kind;
    pub mod machine;
    pub mod marks;
    pub mod mutants;
    pub mod quarantine;
    pub mod rest;
    pub mod stage;
    pub mod state;
    pub mod words;
}

use model::check::{kills, prove};
use model::kind::name;
use model::marks::Mark;
use model::mutants::Mutation;
use model::stage::{self, Scene};
use model::state::Budget;
use sequester::api::evidence_snapshot::EvidenceSnapshotSpec;
use sequester::api::quarantine::{Level, Pulse, QuarantineSpec};
use sequester::playbook::{EvidenceSnapshot, Quarantine};

fn isolation() -> Scene<QuarantineSpec> {
    Scene {
        name: "isolation",
        world: stage::world(1, 1, false),
        specs: vec![stage::quarantine(Level::Isolated, Pulse::Never)],
        account: stage::account(),
        limits: stage::limits(),
        budget: Budget { faults: 1, moves: 1, operator: 0, foreign: 0 },
        foreign: vec![stage::REOPEN, stage::FOREIGN_RULE],
        aws: Vec::new(),
        deletable: false,
    }
}

fn evidence() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "evidence",
        world: stage::world(1, 2, false),
        specs: vec![stage::evidence(false)],
        account: stage::account(),
        limits: stage::limits(),
        budget: Budget { faults: 1, moves: 1, operator: 0, foreign: 0 },
        foreign: Vec::new(),
        aws: vec![stage::COMPLETE],
        deletable: false,
    }
}

#[test]
fn a_host_is_isolated() {
    prove::<Quarantine>(isolation(), &[Mark::Contained, Mark::Drift]);
}

#[test]
fn a_set_is_taken_once() {
    prove::<EvidenceSnapshot>(evidence(), &[Mark::Preserved]);
}
