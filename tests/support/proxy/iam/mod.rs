//! Judges calls by the policies of the role that makes them, as IAM would.
//!
//! A role that has none here is not judged: only the controller's roles have them. What the judge does not understand, in
//! a policy or in a call, is never let pass.

mod asked;
mod policy;

pub use asked::Ask;
pub(super) use asked::tagged;
pub use policy::{Match, Policy};

use super::call::Call;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Tags of a resource, by its id.
pub type Tags = BTreeMap<String, BTreeMap<String, String>>;

/// Policies by the ARN of the role; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Roles(Arc<Mutex<BTreeMap<String, Arc<Vec<Policy>>>>>);

impl Roles {
    /// From now on this is what a role may do. Panics at what the judge does not understand.
    pub fn may<'a>(&self, role_arn: &str, policies: impl IntoIterator<Item = &'a str>) {
        let policies = policies.into_iter().map(Policy::parse).collect();
        self.0.lock().expect("no holder panics").insert(role_arn.to_owned(), Arc::new(policies));
    }

    /// What judges a call, where something does.
    pub(super) fn of(&self, call: &Call) -> Option<Judge> {
        let role = call.principal.role_arn.as_ref()?;
        let policies = self.0.lock().expect("no holder panics").get(role).cloned()?;
        Some(Judge { policies })
    }
}

/// Judges the calls of a role.
pub(super) struct Judge {
    policies: Arc<Vec<Policy>>,
}

/// What came of it.
pub(super) enum Verdict {
    /// All that it needs is allowed: action and `Sid` of what allowed it.
    Allowed(BTreeSet<(String, String)>),
    /// The first thing that is not, or that the judge does not understand.
    Denied(Ask),
}

impl Judge {
    pub fn verdict(&self, call: &Call, tags: &Tags) -> Verdict {
        let mut by = BTreeSet::new();
        for ask in asked::of(call, tags) {
            match self.allows(&ask) {
                Some(sid) => by.insert((ask.action.clone(), sid)),
                None => return Verdict::Denied(ask),
            };
        }
        assert!(!by.is_empty(), "a call that asks for nothing: {}", call.operation);
        Verdict::Allowed(by)
    }

    /// An explicit Deny wins; otherwise something has to allow (IAM guide, policy evaluation logic).
    fn allows(&self, ask: &Ask) -> Option<String> {
        let found: Vec<Match> = self.policies.iter().flat_map(|policy| policy.matches(ask)).collect();
        if found.iter().any(|found| found.denies) {
            return None;
        }
        found.into_iter().next().map(|found| found.sid)
    }
}
