//! What may still carry traffic of a host whose interfaces are closed, as far as AWS shows it.

use std::collections::{BTreeMap, BTreeSet};

use super::seen::ReadFailure;
use crate::api::ids::{InstanceId, VolumeId};

/// One of several questions and its answer: that one can't be answered takes nothing from the others.
pub type Asked<T> = Result<T, ReadFailure>;

/// Ways around a closed security group, read once the host is closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// Targets of the routes of its subnets by which traffic leaves its network, but for internet gateways, which nobody uses
    /// without a public address: NAT, transit and virtual private gateways, egress-only internet gateways, gateway and Gateway
    /// Load Balancer endpoints, core networks, peerings, and instances and interfaces that pass traffic on.
    pub routes: Asked<BTreeSet<String>>,
    /// Interface endpoints of its networks, each with the service behind it.
    pub endpoints: Asked<BTreeMap<String, String>>,
    /// Its volumes that are attached to other instances too.
    pub shared_volumes: Asked<BTreeMap<VolumeId, BTreeSet<InstanceId>>>,
    /// Whether the account lets people connect to serial consoles in the Region.
    pub serial_console: Asked<bool>,
}

impl Ways {
    /// None at all.
    pub const NONE: Self = Self {
        routes: Ok(BTreeSet::new()),
        endpoints: Ok(BTreeMap::new()),
        shared_volumes: Ok(BTreeMap::new()),
        serial_console: Ok(false),
    };

    /// What could not be read, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &ReadFailure)> {
        let all = [
            ("routes", self.routes.as_ref().err()),
            ("endpoints", self.endpoints.as_ref().err()),
            ("shared volumes", self.shared_volumes.as_ref().err()),
            ("the serial console", self.serial_console.as_ref().err()),
        ];
        all.into_iter().filter_map(|(what, failure)| Some((what, failure?)))
    }
}
