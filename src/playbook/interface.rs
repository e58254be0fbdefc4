//! Network interfaces, as AWS showed them: where a host is reachable, and what AWS keeps of its connections.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::attribute::Value;
use crate::api::ids::{AllocationId, InterfaceId, SecurityGroupId, SubnetId, VpcId};

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// The interface.
    pub id: InterfaceId,
    /// Its VPC: groups belong to one.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Position on the instance, of the trunk for a branch; 0 is the primary interface.
    pub device_index: i32,
    /// For a branch interface, on which the pods with security groups of their own sit: the trunk that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<InterfaceId>,
    /// Its security groups.
    pub groups: BTreeSet<SecurityGroupId>,
    /// Private IPv4 addresses, the primary one first.
    pub private_ips: Vec<String>,
    /// IPv6 addresses.
    pub ipv6: Vec<String>,
    /// Public IPv4 addresses: elastic or automatic.
    pub public_ips: Vec<String>,
    /// The elastic ones among them, by the private address that each is associated with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elastic: BTreeMap<String, ElasticAddress>,
    /// The one among them that AWS assigned by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<String>,
    /// When AWS forgets connections that it tracks; none where that was not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeouts: Option<IdleTimeouts>,
}

/// An elastic address as it is associated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElasticAddress {
    /// What stays when it is associated with nothing.
    pub allocation: AllocationId,
    /// The association.
    pub association: String,
    /// The address.
    pub public_ip: String,
}

/// Seconds after which AWS forgets a tracked connection on which nothing goes on; none where the interface has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdleTimeouts {
    /// Established TCP, 60 to 432,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_established: Option<i32>,
    /// UDP with more than one request, 60 to 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_stream: Option<i32>,
    /// Other UDP, 30 to 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<i32>,
}

impl IdleTimeouts {
    /// An interface that has none of its own.
    pub const UNSET: Self = Self { tcp_established: None, udp_stream: None, udp: None };
    /// What AWS then does, but for established TCP on Nitro v6, where it is 350 (EC2 reference,
    /// `ConnectionTrackingSpecificationRequest`).
    pub const DEFAULT: Self = Self { tcp_established: Some(432_000), udp_stream: Some(180), udp: Some(30) };
    /// The least that AWS takes.
    pub const SHORTEST: Self = Self { tcp_established: Some(60), udp_stream: Some(60), udp: Some(30) };

    /// As near to these as they can be set: AWS has no call that unsets one.
    #[must_use]
    pub fn settable(self) -> Self {
        Self {
            tcp_established: self.tcp_established.or(Self::DEFAULT.tcp_established),
            udp_stream: self.udp_stream.or(Self::DEFAULT.udp_stream),
            udp: self.udp.or(Self::DEFAULT.udp),
        }
    }

    /// As the value of an attribute.
    pub fn as_value(self) -> Value {
        Value::Text(self.to_string())
    }

    /// What a value says.
    pub fn of_value(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        let mut each = text.split(", ").map(|of| of.rsplit_once(' ')).map(|of| match of? {
            (_, "unset") => Some(None),
            (of, "s") => of.rsplit_once(' ').and_then(|(_, seconds)| seconds.parse().ok()).map(Some),
            _ => None,
        });
        let (tcp_established, udp_stream, udp) = (each.next()??, each.next()??, each.next()??);
        Some(Self { tcp_established, udp_stream, udp })
    }
}

impl fmt::Display for IdleTimeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |seconds: Option<i32>| seconds.map_or_else(|| "unset".to_owned(), |seconds| format!("{seconds} s"));
        let (tcp, stream, udp) = (said(self.tcp_established), said(self.udp_stream), said(self.udp));
        write!(f, "TCP {tcp}, UDP streams {stream}, UDP {udp}")
    }
}

impl Interface {
    /// Reachable from outside, as far as addresses tell: the pulse is never used on such a one. An IPv6
    /// address counts, since every one that AWS assigns is globally unique.
    pub fn has_public_address(&self) -> bool {
        !self.public_ips.is_empty() || !self.ipv6.is_empty()
    }
}

/// The elastic address that a private one has, as the value of an attribute: one or none.
pub fn elastic_value(allocation: Option<&AllocationId>) -> Value {
    Value::Set(allocation.into_iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_timeouts_are_written_and_read_as_words() {
        let mixed = IdleTimeouts { udp: Some(45), ..IdleTimeouts::UNSET };
        for timeouts in [IdleTimeouts::DEFAULT, IdleTimeouts::SHORTEST, IdleTimeouts::UNSET, mixed] {
            assert_eq!(IdleTimeouts::of_value(&timeouts.as_value()), Some(timeouts));
        }
        assert_eq!(IdleTimeouts::DEFAULT.to_string(), "TCP 432000 s, UDP streams 180 s, UDP 30 s");
        assert_eq!(mixed.to_string(), "TCP unset, UDP streams unset, UDP 45 s");
        for value in [Value::Text("TCP 60 s".to_owned()), Value::Flag(true)] {
            assert_eq!(IdleTimeouts::of_value(&value), None);
        }
    }
}
