//! The plan that a person approves: lines in words, and a hash that binds the approval to it.

use serde_json::json;

use super::chain::digest_of;
use super::covered::Covered;
use super::record::PublishedPlan;
use super::step::{Procedure, View};
use crate::api::approval::Action;
use crate::api::ids::Digest;

/// Most lines that a published plan shows.
pub const LINES: usize = 256;

/// Most characters of a line.
pub const LINE: usize = 512;

/// Bytes that the lines of a published plan may have: a record that could not be written would stop everything after it.
/// Beside them one of a case names up to 128 hosts.
const BYTES: usize = 32 * 1024;

/// The lines that a published plan has room for, each as long as a status shows it; where some are left out, the last says
/// how many, and `instead` what to read.
pub fn shown(lines: impl IntoIterator<Item = String>, instead: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().map(|line| line.chars().take(LINE).collect()).collect();
    let mut bytes = BYTES;
    let fits = |line: &String| {
        bytes = bytes.checked_sub(line.len())?;
        Some(())
    };
    let fitting = lines.iter().map_while(fits).count();
    if lines.len() > LINES || fitting < lines.len() {
        let shown = fitting.min(LINES - 1);
        let more = lines.len() - shown;
        lines.truncate(shown);
        lines.push(format!("and {more} lines more: {instead}"));
    }
    lines
}

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
    let mut covers = P::covers(view.spec, action);
    if action == Action::Isolate {
        covers.extend(neighbours.iter().filter_map(|neighbour| Covered::named(neighbour)));
    }
    let basis = digest_of(&json!({
        "action": action, "covers": covers, "declared": declared, "neighbours": neighbours, "uid": view.subject.uid,
    }));
    if let Some(standing) = view.record.plans.get(&action)
        && standing.basis == basis
    {
        return standing.clone();
    }
    let hash = digest_of(&json!({
        "action": action, "covers": covers, "declared": declared, "index": view.next_index, "neighbours": neighbours,
        "uid": view.subject.uid,
    }));
    PublishedPlan {
        action,
        basis,
        hash,
        index: view.next_index,
        lines: shown(lines.into_iter().map(|line| line.text), "they treat more interfaces and volumes in the same way"),
        covers,
        leaves: std::collections::BTreeMap::new(),
    }
}

/// The hash of a case's plan: over the sorted plans of its children, so that one signature covers them.
pub fn hash_of_leaves(leaves: &std::collections::BTreeMap<String, Digest>) -> Digest {
    let pairs: Vec<_> = leaves.iter().collect();
    digest_of(&json!(pairs))
}
