//! The plan that a person approves: lines in words, and a hash that binds the approval to it.

use serde_json::json;

use super::chain::digest_of;
use super::record::PublishedPlan;
use super::step::{Procedure, View};
use crate::api::approval::Action;
use crate::api::ids::Digest;

/// Most lines that a published plan shows.
pub const LINES: usize = 256;

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanLine {
    /// What would be done, to what.
    pub text: String,
    /// A neighbour that it touches beside the host: named in the hash, so that a new one needs a new approval.
    pub neighbour: Option<String>,
}

impl PlanLine {
    /// A line about the host itself.
    pub fn about(text: impl Into<String>) -> Self {
        Self { text: text.into(), neighbour: None }
    }
}

/// The plan for an action as it would be published now. One that says the same as the published one is the
/// published one: the index in the hash does not move, and an approval on its way keeps its worth.
pub fn publish<P: Procedure>(view: &View<'_, P>, action: Action, lines: Vec<PlanLine>) -> PublishedPlan {
    let neighbours: Vec<&String> = lines.iter().filter_map(|line| line.neighbour.as_ref()).collect();
    let declared = P::declared(view.spec);
    let basis = digest_of(&json!({
        "action": action, "declared": declared, "neighbours": neighbours, "uid": view.subject.uid,
    }));
    if let Some(standing) = view.record.plans.get(&action)
        && standing.basis == basis
    {
        return standing.clone();
    }
    let hash = digest_of(&json!({
        "action": action, "declared": declared, "index": view.next_index, "neighbours": neighbours,
        "uid": view.subject.uid,
    }));
    PublishedPlan {
        action,
        basis,
        hash,
        index: view.next_index,
        lines: lines.into_iter().map(|line| line.text).collect(),
        leaves: std::collections::BTreeMap::new(),
    }
}

/// The hash of a case's plan: over the sorted plans of its children, so that one signature covers them.
pub fn hash_of_leaves(leaves: &std::collections::BTreeMap<String, Digest>) -> Digest {
    let pairs: Vec<_> = leaves.iter().collect();
    digest_of(&json!(pairs))
}
