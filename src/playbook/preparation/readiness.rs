//! What must be true of an account before its name is used: STS confirms it, and approvals mean something.

use crate::api::conditions::Reason;
use crate::playbook::readiness::{AwsAccount, Proof};
use crate::playbook::seen::Read;
use crate::playbook::step::{State, Step, Turn, View};

/// STS says that the account is the declared one.
pub const IDENTITY: Step<AwsAccount> = Step {
    name: "IdentityVerified",
    after: &[],
    wanted: |_| true,
    needs: None,
    next: identity,
    undo: identity,
    preview: |_| Vec::new(),
};

/// A forged Approval is refused by the API server, and all policies are as shipped.
pub const POLICIES: Step<AwsAccount> = Step {
    name: "PoliciesEnforced",
    after: &[],
    wanted: |_| true,
    needs: None,
    next: policies,
    undo: policies,
    preview: |_| Vec::new(),
};

fn identity(view: &View<'_, AwsAccount>) -> Turn<AwsAccount> {
    let state = match &view.seen.identity {
        Read::Found { value, .. } if value.account == view.spec.account_id => State::done(value.arn.clone()),
        Read::Found { value, .. } => State::blocked(
            Reason::IdentityMismatch,
            format!(
                "STS says that these credentials are of account {} ({}), spec.accountId says {}; nothing is done there. Correct spec.role",
                value.account, value.arn, view.spec.account_id
            ),
        ),
        Read::Failed(failure) if failure.reason == Reason::Throttled || failure.reason == Reason::AwsUnavailable => {
            State::working(failure.reason, failure.message.clone())
        }
        Read::Failed(failure) => State::blocked(failure.reason, failure.message.clone()),
        Read::NotRead | Read::Absent { .. } => State::working(Reason::NotObserved, "STS was not asked yet"),
    };
    // Its own wish: it works under no other account's rules.
    Turn::new(state).again_in(u32::try_from(view.spec.recheck_seconds()).unwrap_or(u32::MAX))
}

fn policies(view: &View<'_, AwsAccount>) -> Turn<AwsAccount> {
    Turn::new(match &view.seen.policies {
        Proof::Given => State::done(
            "a forged Approval is refused by the API server, and every policy and binding is the one that is shipped",
        ),
        Proof::Failed(why) => State::blocked(
            Reason::PoliciesNotEnforced,
            format!(
                "{why}; until the shipped admission policies are enforced no approval counts. Apply crds/policies.yaml"
            ),
        ),
        Proof::Open(why) => State::working(Reason::NotObserved, format!("could not be tried: {why}; tried again")),
    })
}
