//! What stands in the in-memory AWS: plain data, small enough to be a part of a model checker's state.

use std::collections::{BTreeMap, BTreeSet};

use super::balancers::Registrations;
use super::fleets::Fleet;
use super::roles::SimRole;
use crate::api::ids::{
    AccountId, AllocationId, InstanceId, InterfaceId, KeyArn, LoadBalancerName, RoleName, SecurityGroupId, SnapshotId,
    TargetGroupArn, VolumeId, VpcId,
};
use crate::playbook::adopted::Existing;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::auto_scaling::{membership_value, size_value};
use crate::playbook::balancers;
use crate::playbook::copies::Destination;
use crate::playbook::credentials::profile_value;
use crate::playbook::interface::elastic_value;
use crate::playbook::seen::{
    Instance, Interface, Key, Lock, Protections, SecurityGroup, ShutdownBehavior, Snapshot, SnapshotState, Surroundings,
};
use crate::playbook::tiers::{Tier, Tiering};
use crate::playbook::ways::Ways;

/// One account in one Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The account.
    pub account: AccountId,
    /// Networks; true for those with an IPv6 range, whose groups are born with one rule more.
    pub vpcs: BTreeMap<VpcId, bool>,
    /// Instances.
    pub instances: BTreeMap<InstanceId, Host>,
    /// Interfaces, attached or not.
    pub interfaces: BTreeMap<InterfaceId, Port>,
    /// Security groups.
    pub groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    /// Volumes.
    pub volumes: BTreeMap<VolumeId, Disk>,
    /// Snapshots.
    pub snapshots: BTreeMap<SnapshotId, Exhibit>,
    /// Copies, in other accounts and Regions or in this one.
    pub copies: BTreeMap<Destination, BTreeMap<SnapshotId, Exhibit>>,
    /// Elastic addresses of the account, each with its address, whatever it is associated with.
    pub elastic: BTreeMap<AllocationId, String>,
    /// Ways around the closed groups of every host.
    pub ways: Ways,
    /// Target groups.
    pub target_groups: BTreeMap<TargetGroupArn, Registrations>,
    /// Classic load balancers, each with its instances.
    pub classic_load_balancers: BTreeMap<LoadBalancerName, BTreeSet<InstanceId>>,
    /// Auto Scaling groups, by name.
    pub fleets: BTreeMap<String, Fleet>,
    /// Roles, by name.
    pub roles: BTreeMap<RoleName, SimRole>,
    /// Instance profiles, by ARN, each with its role.
    pub profiles: BTreeMap<String, RoleName>,
    /// Keys of all accounts, each with its grants.
    pub keys: BTreeMap<KeyArn, Key>,
    /// Whether the account lets snapshots be shared with the public.
    pub public_sharing: &'static str,
    /// Snapshots whose blocks are not what their checksums say.
    pub corrupt: BTreeSet<SnapshotId>,
    /// Snapshots that EBS direct does not know, as those that are archived.
    pub unreadable: BTreeSet<SnapshotId>,
    /// Bytes of every image, where they are not to be as few as possible.
    pub image_bytes: Option<u64>,
    /// How many things came into being: their ids are numbered.
    pub made: u32,
}

/// An instance with what describe-instances does not show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// The instance, its volumes included.
    pub instance: Instance,
    /// Its protections.
    pub protections: Protections,
    /// What is around it.
    pub surroundings: Surroundings,
}

/// An interface and where it is attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The interface.
    pub interface: Interface,
    /// The instance; none where it is detached.
    pub attached: Option<InstanceId>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    /// Size in GiB.
    pub size_gib: i32,
    /// The key, where it is encrypted.
    pub key: Option<KeyArn>,
}

/// A snapshot with its lock and its permissions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exhibit {
    /// The snapshot, with the operation in its tag.
    pub snapshot: Snapshot,
    /// What its bytes follow from: a copy has those of its source.
    pub bytes: String,
    /// When it was begun, where that is known.
    pub started: Option<String>,
    /// The tags it was born with, that of the operation included.
    pub tags: BTreeMap<String, String>,
    /// The CreateSnapshots call that made it, by its number: what is of one call is one set.
    pub call: u32,
    /// Its lock.
    pub lock: Option<Lock>,
    /// How a move of it to another tier went, where there was one.
    pub tier: Option<Tier>,
    /// Accounts that may use it; `all` for the public.
    pub permissions: BTreeSet<String>,
}

impl World {
    /// An empty account.
    pub const fn new(account: AccountId) -> Self {
        Self {
            account,
            vpcs: BTreeMap::new(),
            instances: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            groups: BTreeMap::new(),
            volumes: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            copies: BTreeMap::new(),
            elastic: BTreeMap::new(),
            ways: Ways::NONE,
            target_groups: BTreeMap::new(),
            classic_load_balancers: BTreeMap::new(),
            fleets: BTreeMap::new(),
            roles: BTreeMap::new(),
            profiles: BTreeMap::new(),
            keys: BTreeMap::new(),
            public_sharing: "unblocked",
            corrupt: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            image_bytes: None,
            made: 0,
        }
    }

    /// Adds an instance.
    #[must_use]
    pub fn with_instance(mut self, instance: Instance, protections: Protections) -> Self {
        for volume in &instance.volumes {
            self.volumes.entry(volume.volume.clone()).or_insert(Disk { size_gib: 8, key: None });
        }
        let host = Host { protections, surroundings: Surroundings::default(), instance };
        self.instances.insert(host.instance.id.clone(), host);
        self
    }

    /// Adds an interface of an instance.
    #[must_use]
    pub fn with_interface(mut self, instance: &InstanceId, interface: Interface) -> Self {
        self.vpcs.entry(interface.vpc.clone()).or_insert(false);
        let port = Port { attached: Some(instance.clone()), interface };
        self.interfaces.insert(port.interface.id.clone(), port);
        self
    }

    /// Adds a group.
    #[must_use]
    pub fn with_group(mut self, group: SecurityGroup) -> Self {
        self.vpcs.entry(group.vpc.clone()).or_insert(false);
        self.groups.insert(group.id.clone(), group);
        self
    }

    /// Adds a key.
    #[must_use]
    pub fn with_key(mut self, arn: KeyArn, key: Key) -> Self {
        self.keys.insert(arn, key);
        self
    }

    /// Encrypts a volume.
    #[must_use]
    pub fn with_encryption(mut self, volume: VolumeId, key: KeyArn) -> Self {
        self.volumes.insert(volume, Disk { size_gib: 8, key: Some(key) });
        self
    }

    /// Interfaces of an instance, the primary one first.
    pub fn ports(&self, instance: &InstanceId) -> Vec<&Interface> {
        let mut ports: Vec<&Interface> = self
            .interfaces
            .values()
            .filter(|port| port.attached.as_ref() == Some(instance))
            .map(|port| &port.interface)
            .collect();
        ports.sort_by_key(|interface| interface.device_index);
        ports
    }

    /// A group by its name, which is unique in a network.
    pub fn group_named(&self, vpc: &VpcId, name: &str) -> Option<&SecurityGroup> {
        self.groups.values().find(|group| group.vpc == *vpc && group.name == name)
    }

    /// The value of an attribute, in the words of the playbook; none where the thing is not there.
    pub fn value(&self, instance: &InstanceId, attribute: &Attribute) -> Option<Value> {
        let host = self.instances.get(instance)?;
        Some(match attribute {
            Attribute::Groups(interface) => {
                let groups = &self.interfaces.get(interface)?.interface.groups;
                Value::Set(groups.iter().map(ToString::to_string).collect())
            }
            Attribute::TerminationProtection => Value::Flag(host.protections.termination),
            Attribute::StopProtection => Value::Flag(host.protections.stop),
            Attribute::ShutdownBehavior => Value::shutdown(host.protections.shutdown),
            Attribute::DeleteOnTermination(volume) => {
                let attached = host.instance.volumes.iter().find(|attached| attached.volume == *volume)?;
                Value::Flag(attached.delete_on_termination)
            }
            Attribute::Targets(group) => {
                let names = self.names_of(instance);
                let registered = &self.target_groups.get(group)?.registered;
                balancers::as_value(registered.keys().filter(|target| names.contains(&target.id)))
            }
            Attribute::ClassicRegistration(name) => {
                Value::Flag(self.classic_load_balancers.get(name)?.contains(instance))
            }
            Attribute::AutoScalingGroup => membership_value(self.member(instance).map(|member| member.group.as_str())),
            Attribute::LifecycleState => Value::Text(self.member(instance)?.lifecycle_state.clone()),
            Attribute::ScaleInProtection => Value::Flag(self.member(instance)?.protected_from_scale_in),
            Attribute::MinSize(group) => size_value(self.fleets.get(group)?.minimum),
            Attribute::DesiredCapacity(group) => size_value(self.fleets.get(group)?.desired),
            Attribute::Sessions(policy) => self.denied(instance, policy)?.as_value(),
            Attribute::MetadataService => Value::Flag(host.instance.metadata.as_ref()?.enabled),
            Attribute::InstanceProfile => profile_value(host.instance.profile.as_deref()),
            Attribute::ElasticAddress(interface, private_ip) => {
                let held = self.interfaces.get(interface)?.interface.elastic.get(private_ip);
                elastic_value(held.map(|held| &held.allocation))
            }
            Attribute::AutomaticAddress(interface) => {
                Value::Flag(self.interfaces.get(interface)?.interface.automatic.is_some())
            }
            Attribute::IdleTimeouts(interface) => self.interfaces.get(interface)?.interface.idle_timeouts?.as_value(),
            Attribute::LaunchSource(_) | Attribute::MetadataOptions | Attribute::KeyPolicy(_) => return None,
        })
    }

    /// AWS has uploaded every block of what was pending.
    pub fn complete_snapshots(&mut self) {
        let copies = self.copies.values_mut().flat_map(BTreeMap::values_mut);
        for exhibit in self.snapshots.values_mut().chain(copies).filter(|e| e.snapshot.state == SnapshotState::Pending)
        {
            exhibit.snapshot.state = SnapshotState::Completed;
            exhibit.snapshot.progress = 100;
        }
    }

    /// A snapshot fails; its lock vanishes with it (EBS guide, snapshot lock).
    pub fn fail_snapshot(&mut self, id: &SnapshotId, message: &str) {
        if let Some(exhibit) = self.snapshots.get_mut(id) {
            exhibit.snapshot.state = SnapshotState::Error;
            exhibit.snapshot.state_message = Some(message.to_owned());
            exhibit.lock = None;
        }
    }

    /// AWS has moved to the archive tier what was on its way there: nobody can use it any more (EBS guide, archive snapshots).
    pub fn complete_archivals(&mut self) {
        let copies = self.copies.values_mut().flat_map(BTreeMap::values_mut);
        let going = |exhibit: &&mut Exhibit| exhibit.tier.as_ref().is_some_and(|t| t.tiering == Tiering::Archiving);
        for exhibit in self.snapshots.values_mut().chain(copies).filter(going) {
            exhibit.snapshot.archived = true;
            exhibit.permissions.clear();
            if let Some(tier) = &mut exhibit.tier {
                (tier.archived, tier.tiering, tier.progress) = (true, Tiering::Other, 100);
            }
        }
    }

    /// Snapshots by id, whoever owns them.
    pub(super) fn existing(&self, ids: &BTreeSet<SnapshotId>) -> Vec<Existing> {
        let own = self.snapshots.iter().map(|all| (&self.account, all));
        let others = self.copies.iter().flat_map(|(at, all)| all.iter().map(move |all| (&at.account, all)));
        let all = own.chain(others).filter(|(_, (id, _))| ids.contains(*id));
        all.map(|(owner, (_, exhibit))| Existing {
            snapshot: exhibit.snapshot.clone(),
            owner: owner.clone(),
            started: exhibit.started.clone(),
            tags: exhibit.tags.clone(),
        })
        .collect()
    }

    /// How many snapshot sets were made by operations of ours.
    pub fn sets(&self) -> usize {
        self.snapshots.values().map(|exhibit| exhibit.call).collect::<BTreeSet<_>>().len()
    }
}

/// Nothing protected, as an instance is launched.
pub const UNPROTECTED: Protections =
    Protections { termination: false, stop: false, shutdown: ShutdownBehavior::Terminate };
