//! The model: the shipped decision, the shipped executor and the shipped chain, under every interleaving of crashes, late
//! and lost requests, stale looks, throttles, two replicas, operators and attackers that a budget allows.
//!
//! `make model` prints how many states that were. Each property of `docs/` is checked in each of them, and from each of
//! them a run without faults must come to rest. The second half plants bugs and demands that they are found.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]
#![allow(clippy::print_stdout, reason = "counts and traces are the result")]

mod model {
    pub mod action;
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

use model::check::prove;
use model::scenes;
use sequester::playbook::{EvidenceSnapshot, Quarantine};

#[test]
fn q1() {
    prove::<Quarantine>(scenes::isolation(), &[]);
}
#[test]
fn q1b() {
    prove::<Quarantine>(scenes::drift(), &[]);
}
#[test]
fn q2() {
    prove::<Quarantine>(scenes::isolation_by_two(), &[]);
}
#[test]
fn q3() {
    prove::<Quarantine>(scenes::two_interfaces(), &[]);
}
#[test]
fn q4() {
    prove::<Quarantine>(scenes::pulse(), &[]);
}
#[test]
fn q5() {
    prove::<Quarantine>(scenes::pulse_by_two(), &[]);
}
#[test]
fn q6() {
    prove::<Quarantine>(scenes::approval(), &[]);
}
#[test]
fn q7() {
    prove::<Quarantine>(scenes::release(), &[]);
}
#[test]
fn q7b() {
    prove::<Quarantine>(scenes::release_of_a_pulse(), &[]);
}
#[test]
fn q7c() {
    prove::<Quarantine>(scenes::release_by_two(), &[]);
}
#[test]
fn q8() {
    prove::<Quarantine>(scenes::deletion(), &[]);
}
#[test]
fn e1() {
    prove::<EvidenceSnapshot>(scenes::one_set(), &[]);
}
#[test]
fn e2() {
    prove::<EvidenceSnapshot>(scenes::one_set_by_two(), &[]);
}
#[test]
fn e3() {
    prove::<EvidenceSnapshot>(scenes::kept(), &[]);
}
#[test]
fn e4() {
    prove::<EvidenceSnapshot>(scenes::kept_by_two(), &[]);
}
