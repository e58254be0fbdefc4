//! What the model must know of a kind: how it is looked at, how a mutation lies about it, and what must hold of it.

use std::fmt::Debug;
use std::hash::Hash;

use sequester::api::approval::Action;
use sequester::api::quarantine::Level;
use sequester::cloud::sim::World;
use sequester::playbook::Time;
use sequester::playbook::decide::Plan;
use sequester::playbook::effect::Effect;
use sequester::playbook::record::Record;
use sequester::playbook::step::{Account, Limits, Procedure};

use super::mutants::Mutation;

/// A property by its name.
pub type Broken = Option<&'static str>;

/// Names of the properties, as `verification.md` numbers them.
pub mod name {
    pub const S1: &str = "S1 no evidence destroyed";
    pub const S3: &str = "S3 a set is of one call, and whole";
    pub const S4: &str = "S4 one canonical set";
    pub const S5: &str = "S5 locked before shared";
    pub const S6: &str = "S6 never public, never elsewhere";
    pub const S8: &str = "S8 intent first";
    pub const S9: &str = "S9 every intent has one outcome, and a true one";
    pub const S10: &str = "S10 one writer for each index";
    pub const S13: &str = "S13 isolation never drops but by an approved release";
    pub const S14: &str = "S14 drift is repaired and recorded";
    pub const S15: &str = "S15 release gives back what is ours, once";
    pub const S16: &str = "S16 the pre-state is recorded first and stays";
    pub const S20: &str = "S20 what is done stays at rest";
    pub const S21: &str = "S21 not found is not gone";
    pub const CAPACITY: &str = "a group that gives up a host and takes it back is as large as before";
    pub const L1: &str = "L1 a fair run reaches what is declared, or says why not";
    pub const GATE: &str = "an isolation that waits for a person has waited";
}

/// What a mutation may lie about before something is decided.
pub struct Lies<'a, P: Kind> {
    pub seen: &'a mut P::Seen,
    pub record: &'a mut Record,
    pub account: &'a mut Account,
    pub limits: &'a mut Limits,
    pub world: &'a World,
    pub now: Time,
}

/// A decision, with what was truly seen and recorded.
pub struct Judged<'a, P: Kind> {
    pub spec: &'a P::Spec,
    pub seen: &'a P::Seen,
    pub record: &'a Record,
    pub plan: &'a Plan<P>,
}

/// How a fair run ended.
pub struct Rested<'a, P: Kind> {
    pub spec: &'a P::Spec,
    pub account: &'a Account,
    pub world: &'a World,
    pub record: &'a Record,
    pub ready: bool,
    /// The gate before which it waits.
    pub awaiting: Option<Action>,
}

/// A kind that is modelled.
pub trait Kind: Procedure<Effect = Effect, Spec: Clone> + Clone + Debug + PartialEq + Eq + Hash {
    const KIND: &'static str;

    /// The declared level, where the kind has one.
    fn level(_spec: &Self::Spec) -> Option<Level> {
        None
    }

    /// What AWS shows.
    fn look(world: &World, spec: &Self::Spec, account: &Account, record: &Record, asked: Time) -> Self::Seen;

    /// An answer of which some parts are older than others.
    fn mix(fresh: Self::Seen, old: Self::Seen) -> Self::Seen;

    /// A mutation's lies.
    fn lie(mutation: Mutation, lies: &mut Lies<'_, Self>);

    /// What must hold of a decision.
    fn judge(judged: &Judged<'_, Self>) -> Broken;

    /// Whether a foreign value stands in the world that the chain must come to speak of.
    fn owes(_world: &World, _began_with: &Record, _record: &Record) -> bool {
        false
    }

    /// What must hold at rest.
    fn rest(rested: &Rested<'_, Self>) -> Broken;
}

/// All changes of a plan.
pub fn changes<P: Kind>(plan: &Plan<P>) -> impl Iterator<Item = &Effect> {
    plan.tracks.iter().flat_map(|track| track.stages.iter().flatten())
}
