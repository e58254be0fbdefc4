//! What happens next. Pure: no async, no clock, no client, no failure.
//!
//! One table per kind, in the order of the playbook. Forwards it contains a host and keeps its evidence;
//! backwards it gives back what was changed.

pub mod acquisition;
pub mod adopted;
pub mod approval;
pub mod attribute;
pub mod auto_scaling;
pub mod balancers;
pub mod chain;
pub mod closing;
pub mod containment;
pub mod contents;
pub mod copies;
pub mod copy_change;
pub mod covered;
pub mod credential_change;
pub mod credentials;
pub mod decide;
pub mod denial;
pub mod drift;
pub mod effect;
pub mod entry;
pub mod executor;
pub mod exhibit;
pub mod group_change;
pub mod image;
pub mod interface;
pub mod keeping;
pub mod key_policy;
pub mod ledger;
pub mod network_change;
pub mod own_groups;
pub mod plan;
pub mod preparation;
pub mod preservation;
pub mod project;
pub mod record;
pub mod role_policy;
mod room;
pub mod seen;
pub mod step;
pub mod step_result;
pub mod tiers;
pub mod ways;

mod case;
mod evidence;
mod quarantine;
mod readiness;
#[cfg(test)]
pub(crate) mod sample;

pub use case::{CaseEffect, CaseSeen, CaseSpec, Child, ChildKind, ForensicCase};
pub use evidence::{EvidenceSeen, EvidenceSnapshot};
pub use quarantine::{Quarantine, QuarantineSeen, group_name};
pub use readiness::{AccountSeen, AwsAccount, Identity, Nothing, Proof};

use crate::api::approval::Action;
use step::Step;

/// Moments in time. Whoever decides is told the time; nothing here asks for it.
pub type Time = jiff::Timestamp;

/// One host, held: rows D7, C2, C3, C4, C5 and a part of C6.
pub const QUARANTINE: &[Step<Quarantine>] = &[
    // What the host is and what is around it: first, because it changes.
    acquisition::capture_metadata::STEP,
    // Only where it is declared: room for a group that may not shrink. Needs an approval of its own.
    containment::lower_minimum::STEP,
    // Its group neither terminates nor replaces it on its own. Needs no approval.
    containment::stop_replacement::STEP,
    // Nobody terminates, stops or empties it by accident. Needs no approval.
    containment::protect::STEP,
    // Later: what it has in memory.
    acquisition::capture_memory::STEP,
    // Out of its group.
    containment::detach_from_asg::STEP,
    // Taken out of every load balancer. Nothing waits for it: draining may take an hour.
    containment::deregister_from_load_balancers::STEP,
    // Cut off on every interface. Goes behind the stop of the replacer, and waits for nothing else before it.
    containment::isolate::STEP,
    // Its sessions denied, wherever they are used. Goes out beside the isolation, and nothing waits for it.
    containment::cut_credentials::STEP,
    // Public addresses, idle timeouts, and a report of what may carry its traffic all the same. Once it is closed.
    containment::cut_flows::STEP,
];

/// One moment of one host's volumes: rows D4, D9 to D12 and D17.
pub const EVIDENCE_SNAPSHOT: &[Step<EvidenceSnapshot>] = &[
    // One crash-consistent set, or snapshots that exist.
    preservation::snapshot_volumes::STEP,
    // Locked while still pending.
    preservation::lock_snapshots::STEP,
    // The declared accounts, and nobody else.
    preservation::share_snapshots::STEP,
    // In the declared accounts and Regions, under keys of theirs, and locked there.
    preservation::copy_and_reencrypt::STEP,
    // Every byte read, its digest in the chain. Hours: nothing waits for it.
    preservation::verify_blocks::STEP,
    // A complete, locked set stands, and every declared copy.
    preservation::snapshot_volumes::PRESERVED,
    // Where it is declared, in the archive tier, once nothing needs to be read or copied any more.
    preservation::archive_snapshots::STEP,
    // Only where somebody asks for it: no longer under legal hold. Needs an approval.
    preservation::lift_hold::STEP,
    // Only where a lock is denied and that is declared: kept without. Needs an approval.
    preservation::waive_lock::STEP,
];

/// The incident: children, one plan, one signature.
pub const FORENSIC_CASE: &[Step<ForensicCase>] = &[
    // A Quarantine and the evidence moments for each target, and the plan that covers them.
    closing::compose_case::STEP,
    // Every host held as declared.
    closing::compose_case::CONTAINED,
    // Every moment preserved.
    closing::compose_case::PRESERVED,
    // The bytes of every moment verified, which may take hours: Ready does not wait for it.
    closing::verify_evidence::STEP,
];

/// The account: who we are there, and whether approvals mean anything here.
pub const AWS_ACCOUNT: &[Step<AwsAccount>] = &[
    // STS says the account is the one that is declared.
    preparation::readiness::IDENTITY,
    // The admission policies are enforced, so that an approver is who they say.
    preparation::readiness::POLICIES,
];

/// The approval whose gate a step stands behind: from its first intent on, repair needs none.
pub fn action_of(step: &str) -> Option<Action> {
    QUARANTINE
        .iter()
        .map(|step| (step.name, step.needs))
        .chain(EVIDENCE_SNAPSHOT.iter().map(|step| (step.name, step.needs)))
        .find(|(name, _)| *name == step)
        .and_then(|(_, needs)| needs)
}
