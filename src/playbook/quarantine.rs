//! The procedure that holds one host.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::attribute::Attribute;
use super::auto_scaling::AutoScaling;
use super::balancers::Balancers;
use super::covered::Covered;
use super::credentials::Credentials;
use super::effect::{Created, Effect};
use super::ledger::ended;
use super::own_groups::{GroupRole, group_key};
use super::record::{Entry, Fact, OperationId, OutcomeKind};
use super::seen::{Instance, InstanceState, Interface, NodeRole, Protections, Read, SecurityGroup, Surroundings};
use super::step::{Holder, Procedure, Refusal, State, Step, StepResult, View};
use super::ways::Ways;
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::ids::{AllocationId, SecurityGroupId, VpcId};
use crate::api::quarantine::{Level, QuarantineSpec};

/// Holds one EC2 instance at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quarantine;

/// What can be seen of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuarantineSeen {
    /// The instance.
    pub instance: Read<Instance>,
    /// Its interfaces.
    pub interfaces: Read<Vec<Interface>>,
    /// Its protections.
    pub protections: Read<Protections>,
    /// Its Auto Scaling group, and its place in it.
    pub auto_scaling: Read<AutoScaling>,
    /// Groups of our names in the account and Region, whoever made them.
    pub groups: Read<Vec<SecurityGroup>>,
    /// What is around it; asked for once, outside the path to containment.
    pub surroundings: Read<Surroundings>,
    /// Groups that its interfaces had before, with their rules; asked for with the surroundings.
    pub former_groups: Read<Vec<SecurityGroup>>,
    /// Interfaces that were closed, wherever they are attached by now; asked for while they are given back.
    pub held: Read<Vec<Interface>>,
    /// Load balancers that have it, or had it.
    pub balancers: Read<Balancers>,
    /// Its role, and what is denied to its sessions.
    pub credentials: Read<Credentials>,
    /// Elastic addresses that are to be given back: what each is associated with, none for one that is free; asked for then.
    pub addresses: Read<BTreeMap<AllocationId, Option<String>>>,
    /// What may carry traffic of it though it is closed; asked for once it is.
    pub ways: Read<Ways>,
    /// Hosts of the same case that are not closed yet: the pulse comes after all of them.
    pub siblings_open: usize,
    /// Whether both halves of a pulse end within what is left of the lease.
    pub pulse_fits: bool,
    /// What the host is to the controller that looks.
    pub node: NodeRole,
}

impl QuarantineSeen {
    /// Whether there is no host any more, or none in a moment.
    pub fn is_gone(&self) -> bool {
        let ends = |state| matches!(state, InstanceState::Terminated | InstanceState::ShuttingDown);
        self.instance.value().is_none_or(|instance| ends(instance.state))
    }

    /// Nothing was asked.
    pub const fn nothing() -> Self {
        Self {
            instance: Read::NotRead,
            interfaces: Read::NotRead,
            protections: Read::NotRead,
            auto_scaling: Read::NotRead,
            groups: Read::NotRead,
            surroundings: Read::NotRead,
            former_groups: Read::NotRead,
            held: Read::NotRead,
            balancers: Read::NotRead,
            credentials: Read::NotRead,
            addresses: Read::NotRead,
            ways: Read::NotRead,
            siblings_open: 0,
            pulse_fits: true,
            node: NodeRole::None,
        }
    }
}

impl Procedure for Quarantine {
    type Spec = QuarantineSpec;
    type Seen = QuarantineSeen;
    type Effect = Effect;
    const RECHECKED: bool = true;
    const TABLE: &'static [Step<Self>] = super::QUARANTINE;

    fn releasing(view: &View<'_, Self>) -> bool {
        view.spec.level == Level::Released
    }

    fn unreleased(view: &View<'_, Self>) -> Option<QuarantineSpec> {
        let record = view.record;
        let cuts = |attribute: &Attribute| matches!(attribute, Attribute::Groups(_)) || attribute.is_credential();
        let isolates =
            record.applied.keys().any(cuts) || record.operations.values().any(|operation| operation.step == "Isolated");
        let detaches = |attribute: &Attribute| *attribute == Attribute::AutoScalingGroup || attribute.is_registration();
        let level = if isolates {
            Level::Isolated
        } else if record.applied.keys().any(detaches) {
            Level::Detached
        } else {
            Level::Protected
        };
        Some(QuarantineSpec { level, ..view.spec.clone() })
    }

    fn admit(view: &View<'_, Self>) -> Result<(), Refusal> {
        // What never held anything can always be let go, whatever is wrong with it.
        let untouched = view.record.applied.is_empty() && view.record.operations.is_empty();
        if view.record.released || Self::releasing(view) && untouched {
            return Ok(());
        }
        let target = &view.spec.target;
        if *view.holder == Holder::Other {
            return Err(Refusal::new(
                Reason::HeldElsewhere,
                format!("{} is held by another Quarantine; release that one first", target.instance_id),
            ));
        }
        view.account.ready.clone()?;
        let begun = view.record.opened.is_some();
        if !begun {
            may_begin(view)?;
        }
        let instance = match &view.seen.instance {
            Read::Failed(failure) => return Err(Refusal::new(failure.reason, failure.message.clone())),
            Read::NotRead => return Err(Refusal::new(Reason::NotObserved, "AWS was not asked yet")),
            Read::Absent { .. } if Self::releasing(view) && begun => return Ok(()),
            Read::Absent { .. } => {
                return Err(Refusal::new(
                    Reason::InstanceNotFound,
                    format!(
                        "account {} has no instance {} in {}; check spec.target. Nothing is touched",
                        view.account.id, target.instance_id, target.region
                    ),
                ));
            }
            Read::Found { value, .. } => value,
        };
        if instance.owner != view.account.id {
            return Err(Refusal::new(
                Reason::WrongAccount,
                format!(
                    "{} belongs to account {}, not to {}; nothing is touched",
                    instance.id, instance.owner, view.account.id
                ),
            ));
        }
        if instance.state == InstanceState::Terminated && !Self::releasing(view) {
            return Err(Refusal::new(Reason::InstanceTerminated, terminated(view)));
        }
        // What is held already stays held: then only the isolation waits for a person.
        if begun { Ok(()) } else { foreign_hold(view) }
    }

    fn declared(spec: &QuarantineSpec) -> Json {
        json!({
            "target": spec.target, "level": spec.level, "autoScaling": spec.auto_scaling, "isolation": spec.isolation,
        })
    }

    fn covers(spec: &QuarantineSpec, action: Action) -> BTreeSet<Covered> {
        if action == Action::Isolate { Covered::by(spec).collect() } else { BTreeSet::new() }
    }

    fn conclude(view: &View<'_, Self>, steps: &[StepResult]) -> Vec<Fact> {
        let done =
            |name: &str| steps.iter().any(|step| step.name == name && matches!(step.state, Some(State::Done(_))));
        if Self::releasing(view) {
            let over = steps.iter().all(|step| step.state.as_ref().is_none_or(State::is_settled));
            return if over && !view.record.released { vec![Fact::Released] } else { Vec::new() };
        }
        if done("Isolated") && view.record.contained_at.is_none() {
            return vec![Fact::Contained];
        }
        Vec::new()
    }
}

fn may_begin(view: &View<'_, Quarantine>) -> Result<(), Refusal> {
    let target = &view.spec.target;
    if !view.account.namespace_allowed {
        return Err(Refusal::new(
            Reason::NamespaceNotAllowed,
            format!(
                "namespace {} may not use AwsAccount {}; add it to spec.allowedNamespaces there",
                view.subject.namespace.as_deref().unwrap_or_default(),
                target.account_ref
            ),
        ));
    }
    if !view.account.regions.contains(&target.region) {
        return Err(Refusal::new(
            Reason::RegionNotAllowed,
            format!(
                "AwsAccount {} does not list Region {}; add it to spec.regions there",
                target.account_ref, target.region
            ),
        ));
    }
    Ok(())
}

/// Whether a group has the name of one of ours. Its name is enough here: one whose tag somebody took away is no baseline
/// either.
pub(super) fn bears_our_name(view: &View<'_, Quarantine>, group: &SecurityGroupId) -> bool {
    view.seen.groups.value().is_some_and(|groups| groups.iter().any(|named| named.id == *group))
}

/// A quarantined state is never taken for a baseline: an interface with no other group than such a one is held by somebody
/// else. One that has others beside it is not closed, whoever put it there.
pub(super) fn foreign_hold(view: &View<'_, Quarantine>) -> Result<(), Refusal> {
    if view.record.applied.keys().any(|attribute| matches!(attribute, Attribute::Groups(_))) {
        return Ok(());
    }
    let closed = |interface: &&Interface| {
        !interface.groups.is_empty() && interface.groups.iter().all(|group| bears_our_name(view, group))
    };
    match view.seen.interfaces.value().and_then(|interfaces| interfaces.iter().find(closed)) {
        None => Ok(()),
        Some(interface) => Err(Refusal::new(
            Reason::ForeignHold,
            format!(
                "{} already has no other group than one of the name that ours have, and no chain of custody here says why: another \
                 installation holds the host, or this one lost its records; release it there, or restore the records. If \
                 the group is somebody else's, set another spec.naming.groupPrefix in the AwsAccount",
                interface.id
            ),
        )),
    }
}

fn terminated(view: &View<'_, Quarantine>) -> String {
    let record = view.record;
    let kept = record.surroundings || record.metadata;
    format!(
        "{} is terminated; kept: {}",
        view.spec.target.instance_id,
        if kept { "its metadata and every record so far" } else { "nothing of it" }
    )
}

/// A group of our name in a VPC, whoever made it.
fn named<'a>(view: &View<'a, Quarantine>, vpc: &VpcId, role: GroupRole) -> Option<&'a SecurityGroup> {
    let name = group_name(&view.account.group_prefix, role);
    view.seen.groups.value()?.iter().find(|group| group.vpc == *vpc && group.name == name)
}

/// Whether a group of our name is ours: it bears the tag that ours are born with, or the chain says that it was made, or
/// that an interface was closed with it. Another object's chain may have made it, so that the tag has to be enough; but
/// whoever may write tags can forge one. So it is good for what a group may lose (a closed one its rules, which whoever
/// forges it could take from it as well), and never for what a group may gain: see [`may_open`].
fn is_ours(view: &View<'_, Quarantine>, group: &SecurityGroup, role: GroupRole) -> bool {
    let made = view.record.group(&group.vpc, role) == Some(&group.id);
    let closes = role == GroupRole::Closed && view.record.closed_with(&group.id).is_some();
    made || closes || group.operation.is_some()
}

/// A group of ours in a VPC, as seen.
pub(super) fn our_group<'a>(view: &View<'a, Quarantine>, vpc: &VpcId, role: GroupRole) -> Option<&'a SecurityGroup> {
    named(view, vpc, role).filter(|group| is_ours(view, group, role))
}

/// Somebody else's group that has our name: others may rely on it, so nothing of it is ever changed.
pub(super) fn stranger<'a>(view: &View<'a, Quarantine>, vpc: &VpcId, role: GroupRole) -> Option<&'a SecurityGroup> {
    named(view, vpc, role).filter(|group| !is_ours(view, group, role))
}

/// Whether rules may be added to an open group: only if this very chain made it. Whoever else is behind a group that only
/// bears our tag would be opened to the world.
pub(super) fn may_open(view: &View<'_, Quarantine>, group: &SecurityGroup) -> bool {
    view.record.group(&group.vpc, GroupRole::Open) == Some(&group.id)
}

/// Groups that bear the operation of an intent whose reply was lost: that intent made them.
pub(super) fn adoptions(view: &View<'_, Quarantine>) -> Vec<Entry> {
    let groups = view.seen.groups.value().into_iter().flatten();
    let adopt = |group: &SecurityGroup| {
        let id = OperationId(group.operation.clone()?);
        let operation = view.record.operations.get(&id).filter(|operation| operation.outcome.is_none())?;
        let Effect::CreateSecurityGroup { vpc, name, role, .. } = &operation.effect else { return None };
        let made = Created::SecurityGroup { id: group.id.clone(), vpc: vpc.clone(), role: *role };
        (group.vpc == *vpc && group.name == *name).then(|| ended(&id, OutcomeKind::Adopted, vec![made]))
    };
    groups.filter_map(adopt).collect()
}

/// Whether the chain says that a group was made which AWS does not show yet. One that is not shown when asked W later
/// is gone: somebody deleted it, and it is made anew.
pub(super) fn made_but_unseen(view: &View<'_, Quarantine>, vpc: &VpcId, role: GroupRole) -> bool {
    let asked = view.seen.groups.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    view.record.groups.contains_key(&group_key(vpc, role))
        && our_group(view, vpc, role).is_none()
        && view.record.operations.values().any(|made| {
            matches!(&made.effect, Effect::CreateSecurityGroup { vpc: of, role: as_role, .. } if of == vpc && *as_role == role)
                && asked < made.at.as_second() + view.limits.settle_seconds
        })
}

/// Names can be read from inside the instance: neutral words, and a suffix that only we tell apart.
pub fn group_name(prefix: &str, role: GroupRole) -> String {
    match role {
        GroupRole::Closed => format!("{prefix}-a"),
        GroupRole::Open => format!("{prefix}-b"),
    }
}

#[cfg(test)]
#[path = "quarantine_tests.rs"]
mod tests;
