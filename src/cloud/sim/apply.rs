//! What AWS does with each change. Error codes are those of the EC2 and KMS references; their classes are those that
//! the adapter of the real AWS gives them.

use std::collections::BTreeSet;

use super::world::{Exhibit, Host, World};
use crate::api::aws_account::LockMode;
use crate::api::ids::{AccountId, InstanceId, InterfaceId, KeyArn, SecurityGroupId, SnapshotId, VolumeId, VpcId};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::operation_tag;
use crate::playbook::Time;
use crate::playbook::effect::{Created, Effect, Receipt};
use crate::playbook::own_groups::GroupRole;
use crate::playbook::record::OperationId;
use crate::playbook::seen::{
    Direction, InstanceState, KeyManager, Lock, Peer, Rule, SecurityGroup, Snapshot, SnapshotState,
};
use crate::playbook::tiers::{Tier, Tiering};

pub(super) type Done = Result<Vec<Created>, CloudError>;

impl World {
    /// Makes one change, or refuses it. Not idempotent where AWS is not: each CreateSnapshots that is applied makes a set
    /// of its own, whatever it is tagged with.
    pub fn apply(&mut self, effect: &Effect, operation: &OperationId) -> Result<Receipt, CloudError> {
        let refuse = Refuser(effect.operation());
        let created = match effect {
            Effect::CreateSecurityGroup { vpc, name, role, .. } => {
                self.create_group(&refuse, operation, vpc, name, *role)
            }
            Effect::AuthorizeRules { group, rules } => self.authorize(&refuse, group, rules),
            Effect::RevokeRules { group, rules } => self.revoke(&refuse, group, rules),
            Effect::ReplaceSecurityGroups { interface, groups } => self.replace(&refuse, interface, groups),
            Effect::OpenForPulse { interface, open } => {
                self.replace(&refuse, interface, &BTreeSet::from([open.clone()]))
            }
            Effect::SetTerminationProtection { instance, enabled } => self.host(&refuse, instance).and_then(|host| {
                if host.instance.spot {
                    return Err(refuse.invalid("UnsupportedOperation", "not for Spot instances"));
                }
                host.protections.termination = *enabled;
                Ok(Vec::new())
            }),
            Effect::SetStopProtection { instance, enabled } => self.host(&refuse, instance).and_then(|host| {
                if host.instance.spot || host.instance.root_device_type != "ebs" {
                    return Err(refuse.invalid("UnsupportedOperation", "only for EBS-backed On-Demand instances"));
                }
                host.protections.stop = *enabled;
                Ok(Vec::new())
            }),
            Effect::SetShutdownBehavior { instance, behavior } => self.host(&refuse, instance).map(|host| {
                host.protections.shutdown = *behavior;
                Vec::new()
            }),
            Effect::SetDeleteOnTermination { instance, volume, device, enabled } => {
                self.keep_volume(&refuse, instance, volume, device, *enabled)
            }
            Effect::DeregisterTargets { target_group, targets } => self.deregister(&refuse, target_group, targets),
            Effect::RegisterTargets { target_group, targets } => self.register(&refuse, target_group, targets),
            Effect::DeregisterInstance { load_balancer, instance } => {
                self.classic(&refuse, load_balancer).map(|instances| {
                    instances.remove(instance);
                    Vec::new()
                })
            }
            Effect::RegisterInstance { load_balancer, instance } => {
                self.running(&refuse, "InvalidInstance", instance).and_then(|()| {
                    self.classic(&refuse, load_balancer)?.insert(instance.clone());
                    Ok(Vec::new())
                })
            }
            Effect::CreateSnapshots { .. } => self.create_snapshots(&refuse, effect, operation),
            Effect::LockSnapshot { snapshot, mode, until } => {
                self.exhibit(&refuse, snapshot).and_then(|exhibit| lock(&refuse, exhibit, *mode, *until))
            }
            Effect::ArchiveSnapshot { snapshot } => {
                self.exhibit(&refuse, snapshot).and_then(|exhibit| archive(&refuse, exhibit))
            }
            Effect::ShareSnapshot { snapshot, accounts } => self.share(&refuse, snapshot, accounts),
            Effect::UnshareSnapshot { snapshot, accounts, public } => self.exhibit(&refuse, snapshot).map(|exhibit| {
                exhibit
                    .permissions
                    .retain(|who| !(accounts.iter().any(|account| account.as_str() == who) || *public && who == "all"));
                Vec::new()
            }),
            Effect::CreateGrant { key, name, grantee } => self.grant(&refuse, key, name, grantee),
            Effect::AutoScaling(change) => self.change_fleet(&refuse, change),
            Effect::Copying(change) => self.change_copies(&refuse, change, operation),
            Effect::Credentials(change) => self.change_credentials(&refuse, change),
            Effect::Network(change) => self.change_network(&refuse, change),
        }?;
        Ok(Receipt { request_id: None, server_date: None, created })
    }

    pub(super) fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    pub(super) fn host(&mut self, refuse: &Refuser, id: &InstanceId) -> Result<&mut Host, CloudError> {
        match self.instances.get_mut(id) {
            None => Err(refuse.conflict("InvalidInstanceID.NotFound")),
            Some(host) if host.instance.state == InstanceState::Terminated => {
                Err(refuse.conflict("IncorrectInstanceState"))
            }
            Some(host) => Ok(host),
        }
    }

    /// A snapshot of this account, or a copy in it.
    fn exhibit(&mut self, refuse: &Refuser, id: &SnapshotId) -> Result<&mut Exhibit, CloudError> {
        let own = self.copies.iter_mut().filter(|(at, _)| at.account == self.account).flat_map(|(_, copies)| copies);
        let found = self.snapshots.iter_mut().chain(own).find(|(found, _)| *found == id).map(|(_, exhibit)| exhibit);
        found.ok_or_else(|| refuse.conflict("InvalidSnapshot.NotFound"))
    }

    /// A name is taken once in a network; a new group lets everything out, and bears the operation from birth.
    fn create_group(
        &mut self,
        refuse: &Refuser,
        operation: &OperationId,
        vpc: &VpcId,
        name: &str,
        role: GroupRole,
    ) -> Done {
        let Some(ipv6) = self.vpcs.get(vpc).copied() else { return Err(refuse.conflict("InvalidVpcID.NotFound")) };
        if self.group_named(vpc, name).is_some() {
            return Err(refuse.conflict("InvalidGroup.Duplicate"));
        }
        let number = self.next();
        let id =
            SecurityGroupId::parse(&format!("sg-{number:08x}")).map_err(|e| refuse.invalid("Id", &e.to_string()))?;
        let mut peers = vec![Peer::Ipv4("0.0.0.0/0".to_owned())];
        if ipv6 {
            peers.push(Peer::Ipv6("::/0".to_owned()));
        }
        let rules = peers
            .into_iter()
            .map(|peer| Rule { direction: Direction::Egress, protocol: "-1".to_owned(), from: None, to: None, peer })
            .collect();
        let operation = Some(operation.0.clone());
        let group = SecurityGroup { id: id.clone(), name: name.to_owned(), vpc: vpc.clone(), operation, rules };
        self.groups.insert(id.clone(), group);
        Ok(vec![Created::SecurityGroup { id, vpc: vpc.clone(), role }])
    }

    fn authorize(&mut self, refuse: &Refuser, id: &SecurityGroupId, rules: &BTreeSet<Rule>) -> Done {
        let group = self.groups.get_mut(id).ok_or_else(|| refuse.conflict("InvalidGroup.NotFound"))?;
        // AWS refuses the whole call for one duplicate; the adapter takes that for an answer, and the next look decides.
        if !rules.iter().any(|rule| group.rules.contains(rule)) {
            group.rules.extend(rules.iter().cloned());
        }
        Ok(Vec::new())
    }

    fn revoke(&mut self, refuse: &Refuser, id: &SecurityGroupId, rules: &BTreeSet<Rule>) -> Done {
        let group = self.groups.get_mut(id).ok_or_else(|| refuse.conflict("InvalidGroup.NotFound"))?;
        // Likewise for one that is not there.
        if rules.is_subset(&group.rules) {
            group.rules.retain(|rule| !rules.contains(rule));
        }
        Ok(Vec::new())
    }

    fn replace(&mut self, refuse: &Refuser, id: &InterfaceId, groups: &BTreeSet<SecurityGroupId>) -> Done {
        let port = self.interfaces.get_mut(id).ok_or_else(|| refuse.conflict("InvalidNetworkInterfaceID.NotFound"))?;
        if groups.is_empty() {
            return Err(refuse.invalid("InvalidParameterValue", "an interface has at least one group"));
        }
        let known = |id: &SecurityGroupId| self.groups.get(id).is_some_and(|group| group.vpc == port.interface.vpc);
        if !groups.iter().all(known) {
            return Err(refuse.conflict("InvalidGroup.NotFound"));
        }
        port.interface.groups.clone_from(groups);
        Ok(Vec::new())
    }

    fn keep_volume(
        &mut self,
        refuse: &Refuser,
        id: &InstanceId,
        volume: &VolumeId,
        device: &str,
        enabled: bool,
    ) -> Done {
        let host = self.host(refuse, id)?;
        let attached = host.instance.volumes.iter_mut().find(|a| a.volume == *volume && a.device == device);
        let attached = attached.ok_or_else(|| refuse.invalid("InvalidInstanceAttributeValue", "no such device"))?;
        attached.delete_on_termination = enabled;
        Ok(Vec::new())
    }

    /// One crash-consistent set over what is attached, less what is excluded, born with the tags of the call.
    fn create_snapshots(&mut self, refuse: &Refuser, effect: &Effect, operation: &OperationId) -> Done {
        let Effect::CreateSnapshots { instance, exclude, exclude_root, tags, tag_prefix, .. } = effect else {
            return Err(refuse.invalid("InvalidAction", "not this call"));
        };
        let attached = self.host(refuse, instance)?.instance.volumes.clone();
        if exclude.iter().any(|excluded| !attached.iter().any(|a| a.volume == *excluded)) {
            return Err(refuse.invalid("InvalidParameterValue", "an excluded volume is not attached"));
        }
        let taken: Vec<VolumeId> = attached
            .iter()
            .enumerate()
            .filter(|(position, _)| !(*exclude_root && *position == 0))
            .map(|(_, attached)| attached.volume.clone())
            .filter(|volume| !exclude.contains(volume))
            .collect();
        if taken.is_empty() {
            return Err(refuse.invalid("InvalidParameterValue", "no volume is left"));
        }
        let mut tags = tags.clone();
        tags.insert(operation_tag(tag_prefix), operation.0.clone());
        let call = self.next();
        let mut created = Vec::new();
        for volume in taken {
            let number = self.next();
            let id =
                SnapshotId::parse(&format!("snap-{number:08x}")).map_err(|e| refuse.invalid("Id", &e.to_string()))?;
            let disk = self.volumes.get(&volume);
            let snapshot = Snapshot {
                id: id.clone(),
                volume: volume.clone(),
                operation: Some(operation.0.clone()),
                state: SnapshotState::Pending,
                state_message: None,
                progress: 0,
                size_gib: disk.map_or(8, |disk| disk.size_gib),
                key: disk.and_then(|disk| disk.key.clone()),
                archived: false,
            };
            let bytes = snapshot.volume.to_string();
            let exhibit = Exhibit {
                snapshot,
                bytes,
                started: None,
                tags: tags.clone(),
                call,
                lock: None,
                tier: None,
                permissions: BTreeSet::new(),
            };
            self.snapshots.insert(id.clone(), exhibit);
            created.push(Created::Snapshot { id, volume });
        }
        Ok(created)
    }

    fn share(&mut self, refuse: &Refuser, id: &SnapshotId, accounts: &BTreeSet<AccountId>) -> Done {
        let key = self.exhibit(refuse, id)?.snapshot.key.clone();
        if key.and_then(|key| self.keys.get(&key)).is_some_and(|key| key.manager == KeyManager::Aws) {
            return Err(refuse.invalid("OperationNotPermitted", "encrypted under the default key"));
        }
        let exhibit = self.exhibit(refuse, id)?;
        if exhibit.snapshot.state == SnapshotState::Error || exhibit.snapshot.archived {
            return Err(refuse.conflict("IncorrectState"));
        }
        exhibit.permissions.extend(accounts.iter().map(ToString::to_string));
        Ok(Vec::new())
    }

    /// The same name is the same grant (KMS reference, CreateGrant).
    fn grant(&mut self, refuse: &Refuser, arn: &KeyArn, name: &str, grantee: &AccountId) -> Done {
        let key = self.keys.get_mut(arn).ok_or_else(|| refuse.conflict("NotFoundException"))?;
        if !key.enabled {
            return Err(refuse.conflict("KMSInvalidStateException"));
        }
        key.grants.insert(name.to_owned(), format!("grant-{name}"));
        Ok(vec![Created::Grant { id: format!("grant-{name}"), key: arn.clone(), grantee: grantee.clone() }])
    }
}

/// What is complete, in the standard tier and not on its way, whether it is locked or not (EBS guide, archive snapshots).
pub(super) fn archive(refuse: &Refuser, exhibit: &mut Exhibit) -> Done {
    let going = exhibit.tier.as_ref().is_some_and(|tier| tier.tiering == Tiering::Archiving);
    if exhibit.snapshot.state != SnapshotState::Completed || exhibit.snapshot.archived || going {
        return Err(refuse.conflict("IncorrectState"));
    }
    let tiering = Tiering::Archiving;
    exhibit.tier = Some(Tier { archived: false, tiering, began: None, progress: 0, detail: None });
    Ok(Vec::new())
}

/// Governance can be changed by who may; compliance can only be extended.
pub(super) fn lock(refuse: &Refuser, exhibit: &mut Exhibit, mode: LockMode, until: Time) -> Done {
    if exhibit.snapshot.state == SnapshotState::Error {
        return Err(refuse.conflict("IncorrectState"));
    }
    if let Some(Lock { mode: LockMode::Compliance, until: ends }) = &exhibit.lock
        && (mode == LockMode::Governance || ends.is_some_and(|ends| until < ends))
    {
        return Err(refuse.invalid("InvalidRequest", "a compliance lock can only be extended"));
    }
    exhibit.lock = Some(Lock { mode, until: Some(until) });
    Ok(Vec::new())
}

/// Refuses in the name of an operation.
pub(super) struct Refuser(&'static str);

impl Refuser {
    pub(super) fn because(&self, class: ErrorClass, code: &str, message: &str) -> CloudError {
        CloudError {
            class,
            operation: self.0.to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            action: None,
        }
    }

    pub(super) fn conflict(&self, code: &str) -> CloudError {
        self.because(ErrorClass::Conflict, code, "")
    }

    pub(super) fn throttled(&self, code: &str) -> CloudError {
        self.because(ErrorClass::Throttled, code, "")
    }

    pub(super) fn invalid(&self, code: &str, message: &str) -> CloudError {
        self.because(ErrorClass::Invalid, code, message)
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
