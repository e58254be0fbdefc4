//! What keeps a step that takes the host from beginning: a namespace that may not any more, a plan that can't be told yet.

use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::playbook::Quarantine;
use crate::playbook::seen::Read;
use crate::playbook::step::{State, Turn, View};

/// Whether a step may not begin any more; one that has goes on.
pub(super) fn begins_nothing(view: &View<'_, Quarantine>, begun: bool) -> Option<Turn<Quarantine>> {
    let refused = !view.account.namespace_allowed && !begun;
    refused.then(|| {
        Turn::new(State::blocked(
            Reason::NamespaceNotAllowed,
            "the namespace is no longer allowed by the AwsAccount; what is held stays held, nothing more is begun",
        ))
    })
}

/// Whether nobody can say yet what a plan would touch: a plan that is published stays as it is, so that it is published
/// when the load balancers and the role were looked at, or that took too long.
pub(super) fn plan_waits(view: &View<'_, Quarantine>) -> Option<Turn<Quarantine>> {
    const SECONDS: i64 = 15;
    let record = view.record;
    let asked = view.account.required.contains_key(&Action::Isolate)
        && !record.plans.contains_key(&Action::Isolate)
        && !record.in_force.contains(&Action::Isolate);
    let young = record.opened.is_none_or(|opened| view.now.as_second() - opened.as_second() < SECONDS);
    let role = super::cut_credentials::looks(view) && view.seen.credentials == Read::NotRead;
    let waits = asked && young && (role || view.seen.balancers == Read::NotRead);
    let told = "looks for load balancers and its role, so that the plan can name them";
    waits.then(|| Turn::new(State::working(Reason::Waiting, told)).again_in(1))
}
