//! What may still carry traffic of a host whose interfaces are closed, as far as AWS shows it.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::ids::{InstanceId, VolumeId};

/// Ways around a closed security group, read once the host is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ways {
    /// Targets of the routes of its subnets through which every connection is tracked, whatever the groups say: NAT and
    /// transit gateways, egress-only internet gateways, gateway and Gateway Load Balancer endpoints.
    pub tracking: BTreeSet<String>,
    /// Interface endpoints of its networks, each with the service behind it.
    pub endpoints: BTreeMap<String, String>,
    /// Its volumes that are attached to other instances too.
    pub shared_volumes: BTreeMap<VolumeId, BTreeSet<InstanceId>>,
    /// Whether the account lets people connect to serial consoles in the Region.
    pub serial_console: bool,
}
