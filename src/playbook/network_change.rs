//! Changes of what a host is reached by, and of how long AWS keeps its connections.

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::effect::Effect;
use super::interface::{IdleTimeouts, elastic_value};
use crate::api::ids::{AllocationId, InterfaceId};

/// One change of an interface, beside its groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "camelCase")]
pub enum NetworkChange {
    /// EC2 `DisassociateAddress`.
    DisassociateAddress {
        /// The interface.
        interface: InterfaceId,
        /// The private address that it is associated with.
        private_ip: String,
        /// The association.
        association: String,
    },
    /// EC2 `AssociateAddress`, refused where the address is associated with anything.
    AssociateAddress {
        /// The interface.
        interface: InterfaceId,
        /// The private address.
        private_ip: String,
        /// The elastic address.
        allocation: AllocationId,
    },
    /// EC2 `ModifyNetworkInterfaceAttribute`, `associatePublicIpAddress`: the address that AWS assigns by itself.
    AssociatePublicIpAddress {
        /// The interface.
        interface: InterfaceId,
        /// Whether it has one.
        enabled: bool,
    },
    /// EC2 `ModifyNetworkInterfaceAttribute`, `connectionTrackingSpecification`.
    SetIdleTimeouts {
        /// The interface.
        interface: InterfaceId,
        /// When AWS forgets.
        timeouts: IdleTimeouts,
    },
}

impl NetworkChange {
    /// The API operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::DisassociateAddress { .. } => "DisassociateAddress",
            Self::AssociateAddress { .. } => "AssociateAddress",
            Self::AssociatePublicIpAddress { .. } | Self::SetIdleTimeouts { .. } => "ModifyNetworkInterfaceAttribute",
        }
    }

    /// The IAM actions that AWS checks (Service Authorization Reference, actions of EC2).
    pub const fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::DisassociateAddress { .. } => &["ec2:DisassociateAddress"],
            Self::AssociateAddress { .. } => &["ec2:AssociateAddress"],
            Self::AssociatePublicIpAddress { .. } | Self::SetIdleTimeouts { .. } => {
                &["ec2:ModifyNetworkInterfaceAttribute"]
            }
        }
    }

    /// The attribute that it sets, and to which value.
    pub fn sets(&self) -> (Attribute, Value) {
        match self {
            Self::DisassociateAddress { interface, private_ip, .. } => {
                (Attribute::ElasticAddress(interface.clone(), private_ip.clone()), elastic_value(None))
            }
            Self::AssociateAddress { interface, private_ip, allocation } => {
                (Attribute::ElasticAddress(interface.clone(), private_ip.clone()), elastic_value(Some(allocation)))
            }
            Self::AssociatePublicIpAddress { interface, enabled } => {
                (Attribute::AutomaticAddress(interface.clone()), Value::Flag(*enabled))
            }
            Self::SetIdleTimeouts { interface, timeouts } => {
                (Attribute::IdleTimeouts(interface.clone()), timeouts.as_value())
            }
        }
    }
}

/// What is not tried again once AWS has refused it, and with which code: an opening of the pulse, whatever the code; idle
/// timeouts, where the kind of interface or instance has none. A permission may be granted yet.
pub fn given_up(effect: &Effect, step: &str, error: Option<&str>) -> Option<(String, String)> {
    const NEVER: [&str; 4] =
        ["UnsupportedOperation", "OperationNotPermitted", "InvalidParameterValue", "InvalidParameterCombination"];
    let code = error.unwrap_or("refused");
    let interface = match effect {
        Effect::OpenForPulse { interface, .. } => interface,
        Effect::Network(NetworkChange::SetIdleTimeouts { interface, .. }) if NEVER.contains(&code) => interface,
        _ => return None,
    };
    Some((format!("{step}/{interface}"), code.to_owned()))
}
