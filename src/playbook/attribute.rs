//! Attributes of a host that we change and give back: how one is held, and how it is released.
//!
//! Held: the value that was there before our first change is the baseline, recorded once, in the same
//! record as the intent; from then on any other value than ours is somebody else's change and is put
//! back. Released: the baseline returns only where our value still stands.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::{Fact, Record};
use super::role_policy::InlinePolicy;
use super::seen::ShutdownBehavior;
use crate::api::ids::{InterfaceId, KeyArn, LoadBalancerName, RoleName, TargetGroupArn, VolumeId};

/// One thing with one writer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Attribute {
    /// Security groups of an interface.
    Groups(InterfaceId),
    /// `disableApiTermination`.
    TerminationProtection,
    /// `disableApiStop`.
    StopProtection,
    /// `instanceInitiatedShutdownBehavior`.
    ShutdownBehavior,
    /// `deleteOnTermination` of a volume.
    DeleteOnTermination(VolumeId),
    /// What of the host is registered with a target group.
    Targets(TargetGroupArn),
    /// Whether the host is registered with a classic load balancer.
    ClassicRegistration(LoadBalancerName),
    /// The Auto Scaling group that the instance is in.
    AutoScalingGroup,
    /// `LifecycleState` in that group.
    LifecycleState,
    /// `ProtectedFromScaleIn` in that group.
    ScaleInProtection,
    /// `MinSize` of a group.
    MinSize(String),
    /// `DesiredCapacity` of a group.
    DesiredCapacity(String),
    /// What a group launches instances from. Recorded, never set.
    LaunchSource(String),
    /// What an inline policy of a role denies for the instance.
    Sessions(InlinePolicy),
    /// Whether the metadata service answers.
    MetadataService,
    /// Options of the metadata service beside that. Recorded, never set.
    MetadataOptions,
    /// The instance profile.
    InstanceProfile,
    /// What of ours stands in the policy of a key.
    KeyPolicy(KeyArn),
    /// The elastic address that a private one of an interface has.
    ElasticAddress(InterfaceId, String),
    /// Whether an interface has a public address that AWS assigned by itself.
    AutomaticAddress(InterfaceId),
    /// When AWS forgets tracked connections of an interface.
    IdleTimeouts(InterfaceId),
}

impl Attribute {
    /// Whether it protects the instance or a volume: what row C2 sets.
    pub const fn is_protection(&self) -> bool {
        matches!(
            self,
            Self::TerminationProtection | Self::StopProtection | Self::ShutdownBehavior | Self::DeleteOnTermination(_)
        )
    }

    /// Whether it is of an Auto Scaling group, or of the place in one.
    pub const fn is_of_auto_scaling(&self) -> bool {
        let of_network = self.is_of_flows() || matches!(self, Self::Groups(_));
        let other = self.is_protection() || self.is_registration() || self.is_credential() || of_network;
        !(other || matches!(self, Self::KeyPolicy(_)))
    }

    /// Whether it is a public address of an interface.
    pub const fn is_public_address(&self) -> bool {
        matches!(self, Self::ElasticAddress(..) | Self::AutomaticAddress(_))
    }

    /// Whether it lets traffic through beside the groups, or keeps it going.
    pub const fn is_of_flows(&self) -> bool {
        self.is_public_address() || matches!(self, Self::IdleTimeouts(_))
    }

    /// Whether it is a registration with a load balancer.
    pub const fn is_registration(&self) -> bool {
        matches!(self, Self::Targets(_) | Self::ClassicRegistration(_))
    }

    /// Whether it is of the credentials that the host has.
    pub const fn is_credential(&self) -> bool {
        matches!(self, Self::Sessions(_) | Self::MetadataService | Self::MetadataOptions | Self::InstanceProfile)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groups(interface) => write!(f, "groups/{interface}"),
            Self::TerminationProtection => f.write_str("disableApiTermination"),
            Self::StopProtection => f.write_str("disableApiStop"),
            Self::ShutdownBehavior => f.write_str("instanceInitiatedShutdownBehavior"),
            Self::DeleteOnTermination(volume) => write!(f, "deleteOnTermination/{volume}"),
            Self::Targets(group) => write!(f, "targets/{group}"),
            Self::ClassicRegistration(balancer) => write!(f, "classicRegistration/{balancer}"),
            Self::AutoScalingGroup => f.write_str("autoScalingGroup"),
            Self::LifecycleState => f.write_str("lifecycleState"),
            Self::ScaleInProtection => f.write_str("protectedFromScaleIn"),
            Self::MinSize(group) => write!(f, "minSize/{group}"),
            Self::DesiredCapacity(group) => write!(f, "desiredCapacity/{group}"),
            Self::LaunchSource(group) => write!(f, "launchSource/{group}"),
            Self::Sessions(policy) => write!(f, "sessions/{policy}"),
            Self::MetadataService => f.write_str("metadataService"),
            Self::MetadataOptions => f.write_str("metadataOptions"),
            Self::InstanceProfile => f.write_str("instanceProfile"),
            Self::KeyPolicy(key) => write!(f, "keyPolicy/{key}"),
            Self::ElasticAddress(interface, private_ip) => write!(f, "elasticAddress/{interface}/{private_ip}"),
            Self::AutomaticAddress(interface) => write!(f, "automaticAddress/{interface}"),
            Self::IdleTimeouts(interface) => write!(f, "idleTimeouts/{interface}"),
        }
    }
}

impl From<Attribute> for String {
    fn from(attribute: Attribute) -> Self {
        attribute.to_string()
    }
}

/// An attribute's name that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an attribute known to this version")]
pub struct UnknownAttribute(String);

impl TryFrom<String> for Attribute {
    type Error = UnknownAttribute;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let unknown = || UnknownAttribute(text.clone());
        match text.split_once('/') {
            Some(("groups", id)) => InterfaceId::parse(id).map(Self::Groups).map_err(|_| unknown()),
            Some(("deleteOnTermination", id)) => {
                VolumeId::parse(id).map(Self::DeleteOnTermination).map_err(|_| unknown())
            }
            Some(("targets", arn)) => TargetGroupArn::parse(arn).map(Self::Targets).map_err(|_| unknown()),
            Some(("classicRegistration", name)) => {
                LoadBalancerName::parse(name).map(Self::ClassicRegistration).map_err(|_| unknown())
            }
            Some(("minSize", group)) => Ok(Self::MinSize(group.to_owned())),
            Some(("desiredCapacity", group)) => Ok(Self::DesiredCapacity(group.to_owned())),
            Some(("launchSource", group)) => Ok(Self::LaunchSource(group.to_owned())),
            Some(("elasticAddress", of)) => {
                let (interface, private_ip) = of.split_once('/').ok_or_else(unknown)?;
                let interface = InterfaceId::parse(interface).map_err(|_| unknown())?;
                Ok(Self::ElasticAddress(interface, private_ip.to_owned()))
            }
            Some(("automaticAddress", id)) => InterfaceId::parse(id).map(Self::AutomaticAddress).map_err(|_| unknown()),
            Some(("idleTimeouts", id)) => InterfaceId::parse(id).map(Self::IdleTimeouts).map_err(|_| unknown()),
            Some(("sessions", policy)) => {
                let (role, name) = policy.split_once('/').ok_or_else(unknown)?;
                let role = RoleName::parse(role).map_err(|_| unknown())?;
                Ok(Self::Sessions(InlinePolicy { role, name: name.to_owned() }))
            }
            Some(("keyPolicy", arn)) => KeyArn::parse(arn).map(Self::KeyPolicy).map_err(|_| unknown()),
            None if text == "metadataService" => Ok(Self::MetadataService),
            None if text == "metadataOptions" => Ok(Self::MetadataOptions),
            None if text == "instanceProfile" => Ok(Self::InstanceProfile),
            None if text == "autoScalingGroup" => Ok(Self::AutoScalingGroup),
            None if text == "lifecycleState" => Ok(Self::LifecycleState),
            None if text == "protectedFromScaleIn" => Ok(Self::ScaleInProtection),
            None if text == "disableApiTermination" => Ok(Self::TerminationProtection),
            None if text == "disableApiStop" => Ok(Self::StopProtection),
            None if text == "instanceInitiatedShutdownBehavior" => Ok(Self::ShutdownBehavior),
            _ => Err(unknown()),
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// One word.
    Text(String),
    /// Ids, in any order.
    Set(BTreeSet<String>),
}

impl Value {
    /// A shutdown behaviour as a value.
    pub fn shutdown(behavior: ShutdownBehavior) -> Self {
        Self::Text(match behavior {
            ShutdownBehavior::Stop => "stop".to_owned(),
            ShutdownBehavior::Terminate => "terminate".to_owned(),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => f.write_str(text),
            Self::Set(ids) => f.write_str(&ids.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// What holding an attribute takes now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Our value stands.
    pub in_place: bool,
    /// What must be recorded with the change: the baseline, and a foreign value that we found.
    pub facts: Vec<Fact>,
}

/// Compares what is seen with our wish. Until it is ours the baseline follows what is seen: what is given back is
/// what stood last before our first change, not what stood when we first looked.
pub fn hold(record: &Record, attribute: &Attribute, wish: &Value, current: &Value) -> Hold {
    let mut facts = Vec::new();
    if !record.holds(attribute) && record.baseline.get(attribute) != Some(current) {
        facts.push(Fact::Baseline { attribute: attribute.clone(), value: current.clone() });
    }
    let in_place = current == wish;
    // What stood as wished from the start was never set by us, and is held all the same; what we wished before is still
    // ours.
    let ours = record.applied.get(attribute).is_some_and(|applied| applied.value == *current);
    if !in_place && !ours && record.verified.contains(attribute) {
        facts.push(Fact::Drift { attribute: attribute.clone(), foreign: current.clone() });
    }
    if in_place && !record.verified.contains(attribute) {
        facts.push(Fact::Verified { attribute: attribute.clone() });
    }
    Hold { in_place, facts }
}

/// What giving an attribute back takes now.
#[derive(Debug, PartialEq, Eq)]
pub enum Release {
    /// Nothing was ever changed, or the baseline is back.
    Done(Vec<Fact>),
    /// Our value still stands: set this one.
    Restore(Value),
    /// What stands there is not ours, but a request of ours may still be on its way.
    Wait,
}

/// Compares what is seen with what we set. `None` for an attribute that is gone. `ripe` says that the look is late
/// enough for nothing that was sent before the release to arrive after it: only then is what is seen the end.
pub fn release(record: &Record, attribute: &Attribute, current: Option<&Value>, ripe: bool) -> Release {
    let (Some(baseline), Some(ours)) = (record.baseline.get(attribute), record.applied.get(attribute)) else {
        return Release::Done(Vec::new());
    };
    if record.given_back.contains_key(attribute) {
        return Release::Done(Vec::new());
    }
    match current {
        Some(value) if *value == ours.value && value != baseline => Release::Restore(baseline.clone()),
        _ if !ripe => Release::Wait,
        Some(value) if value == baseline => Release::Done(vec![Fact::Restored { attribute: attribute.clone() }]),
        left => Release::Done(vec![Fact::LeftAsFound { attribute: attribute.clone(), value: left.cloned() }]),
    }
}

#[cfg(test)]
#[path = "attribute_tests.rs"]
mod tests;
