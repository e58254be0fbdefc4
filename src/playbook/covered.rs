//! What an Approval covers beside the closing of a host itself.
//!
//! A spec may ask for more once a host is closed, and so may a later version under the same answers: the Approval was of a
//! plan that said nothing of it. So a plan names what it covers, and a decision keeps that. What was begun is put back
//! without another one.

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::credential_change::CredentialChange;
use super::effect::Effect;
use super::network_change::NetworkChange;
use super::own_groups::GroupRole;
use super::record::Record;
use crate::api::credentials::{InstanceProfile, MetadataService, Sessions};
use crate::api::quarantine::{Level, PublicAddress, Pulse, QuarantineSpec};

/// One thing that is done to a host beside its closing, each by an answer of its own in the spec, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Covered {
    /// Its interfaces are opened for a moment.
    Pulse,
    /// Public addresses are taken from it.
    PublicAddresses,
    /// Idle timeouts of its connections are shortened.
    IdleTimeouts,
    /// Its sessions are denied something.
    Sessions,
    /// Its metadata service is switched off.
    MetadataService,
    /// Its instance profile is taken from it.
    InstanceProfile,
    /// It leaves its Auto Scaling group: the one that the plan names, where it was in one.
    AutoScalingGroup,
    /// It leaves its load balancers.
    LoadBalancers,
}

/// How a plan names an Auto Scaling group among what it touches beside the host.
pub const GROUP: &str = "autoScalingGroup/";

impl Covered {
    /// What a plan to isolate a host covers.
    pub fn by(spec: &QuarantineSpec) -> impl Iterator<Item = Self> {
        let isolation = spec.isolation;
        let all = [
            (Self::Pulse, isolation.pulse == Pulse::Auto),
            (Self::PublicAddresses, isolation.public_address == PublicAddress::Remove),
            (Self::IdleTimeouts, true),
            (Self::Sessions, isolation.credentials.sessions != Sessions::Leave),
            (Self::MetadataService, isolation.metadata_service == MetadataService::Disable),
            (Self::InstanceProfile, isolation.credentials.profile == InstanceProfile::Remove),
        ];
        let isolates = spec.level == Level::Isolated;
        let leaves = spec.level.asks_for(Level::Detached).then_some(Self::LoadBalancers);
        all.into_iter().filter(move |(_, declared)| isolates && *declared).map(|(covered, _)| covered).chain(leaves)
    }

    /// What a plan covers since it names it.
    pub fn named(neighbour: &str) -> Option<Self> {
        neighbour.starts_with(GROUP).then_some(Self::AutoScalingGroup)
    }

    /// What must be covered for a change to be made; none for what the closing itself takes.
    pub const fn needed_for(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::OpenForPulse { .. }
            | Effect::AuthorizeRules { .. }
            | Effect::CreateSecurityGroup { role: GroupRole::Open, .. } => Some(Self::Pulse),
            Effect::Network(NetworkChange::SetIdleTimeouts { .. }) => Some(Self::IdleTimeouts),
            Effect::Network(_) => Some(Self::PublicAddresses),
            Effect::Credentials(change) => Some(match change {
                CredentialChange::PutRolePolicy { .. } | CredentialChange::DeleteRolePolicy { .. } => Self::Sessions,
                CredentialChange::ModifyInstanceMetadataOptions { .. } => Self::MetadataService,
                CredentialChange::DisassociateIamInstanceProfile { .. }
                | CredentialChange::AssociateIamInstanceProfile { .. } => Self::InstanceProfile,
            }),
            _ => None,
        }
    }

    /// What must be covered for an attribute to be held.
    pub const fn of(attribute: &Attribute) -> Option<Self> {
        match attribute {
            Attribute::ElasticAddress(..) | Attribute::AutomaticAddress(_) => Some(Self::PublicAddresses),
            Attribute::IdleTimeouts(_) => Some(Self::IdleTimeouts),
            Attribute::Sessions(_) => Some(Self::Sessions),
            Attribute::MetadataService | Attribute::MetadataOptions => Some(Self::MetadataService),
            Attribute::InstanceProfile => Some(Self::InstanceProfile),
            _ => None,
        }
    }

    /// Whether its first change was made: from then on repair needs no approval.
    pub fn is_begun(self, record: &Record) -> bool {
        match self {
            Self::Pulse => !record.pulsed.is_empty(),
            _ => record.applied.keys().any(|attribute| Self::of(attribute) == Some(self)),
        }
    }
}

#[cfg(test)]
#[path = "covered_tests.rs"]
mod tests;
