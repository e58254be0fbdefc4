//! What the chain says of a plan that somebody refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::ids::Digest;

/// A plan that somebody refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// The plan.
    pub plan_hash: Digest,
    /// Who did, the last that was written down.
    pub approver: String,
    /// Uids of the Approvals that say so, and who wrote each. Each stands for as long as it exists, whatever becomes of the
    /// plan of the case that it was written about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<String, String>,
}

impl Denial {
    /// Notes another one, beside those of the same plan that were written down before.
    pub(super) fn noted(standing: Option<Self>, plan_hash: &Digest, approver: &str, approval: Option<&str>) -> Self {
        let same = standing.filter(|denial| denial.plan_hash == *plan_hash);
        let mut approvals = same.map(|denial| denial.approvals).unwrap_or_default();
        approvals.extend(approval.map(|uid| (uid.to_owned(), approver.to_owned())));
        Self { plan_hash: plan_hash.clone(), approver: approver.to_owned(), approvals }
    }
}
