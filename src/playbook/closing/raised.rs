//! A child that a person has raised by itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

use crate::api::evidence_snapshot::{EvidenceSnapshotSpec, LockSpec};
use crate::playbook::{Child, ChildKind};

/// What is declared, at the level to which a person has raised the child by itself: levels never fall, a lock gets no weaker
/// and a retention no shorter, so that with less than that nothing of it would be taken.
pub(super) fn raised(child: Option<&Child>, mut wish: ChildKind) -> ChildKind {
    match (child.map(|child| &child.kind), &mut wish) {
        (Some(ChildKind::Quarantine(has)), ChildKind::Quarantine(wants)) if has.level.asks_for(wants.level) => {
            wants.level = has.level;
        }
        (Some(ChildKind::Evidence(has)), ChildKind::Evidence(wants)) => keep(has, wants),
        _ => {}
    }
    wish
}

fn keep(has: &EvidenceSnapshotSpec, wants: &mut EvidenceSnapshotSpec) {
    if let Some(has) = &has.retain_until {
        wants.retain_until = Some(wants.retain_until.as_ref().map_or_else(|| has.clone(), |wants| later(has, wants)));
    }
    if let Some(has) = &has.lock {
        let both =
            |wants: &LockSpec| LockSpec { mode: has.mode.max(wants.mode), until: later(&has.until, &wants.until) };
        wants.lock = Some(wants.lock.as_ref().map_or_else(|| has.clone(), both));
    }
}

fn later(one: &MetaTime, other: &MetaTime) -> MetaTime {
    if one.0 > other.0 { one.clone() } else { other.clone() }
}
