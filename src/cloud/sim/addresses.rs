//! Public addresses of interfaces, and how long their connections are kept.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Done, Refuser};
use super::world::World;
use crate::api::ids::{AllocationId, InterfaceId};
use crate::cloud::error::CloudError;
use crate::playbook::interface::{ElasticAddress, IdleTimeouts};
use crate::playbook::network_change::NetworkChange;
use crate::playbook::seen::Interface;

impl World {
    /// Adds an elastic address that is associated with the first private one of an interface.
    #[must_use]
    pub fn with_elastic(mut self, interface: &InterfaceId, allocation: &AllocationId, public_ip: &str) -> Self {
        self.elastic.insert(allocation.clone(), public_ip.to_owned());
        if let Some(port) = self.interfaces.get_mut(interface) {
            let private_ip = port.interface.private_ips.first().cloned().unwrap_or_default();
            associate(&mut port.interface, &private_ip, allocation, public_ip);
        }
        self
    }

    fn holder(&self, allocation: &AllocationId) -> Option<&InterfaceId> {
        let holds = |interface: &&Interface| interface.elastic.values().any(|held| held.allocation == *allocation);
        self.interfaces.values().map(|port| &port.interface).find(holds).map(|interface| &interface.id)
    }

    /// What each of these addresses is associated with.
    pub(super) fn see_addresses(&self, asked: &BTreeSet<AllocationId>) -> BTreeMap<AllocationId, Option<String>> {
        let there = asked.iter().filter(|allocation| self.elastic.contains_key(*allocation));
        there.map(|of| (of.clone(), self.holder(of).map(ToString::to_string))).collect()
    }

    fn port(&mut self, refuse: &Refuser, id: &InterfaceId) -> Result<&mut Interface, CloudError> {
        let port = self.interfaces.get_mut(id).map(|port| &mut port.interface);
        port.ok_or_else(|| refuse.conflict("InvalidNetworkInterfaceID.NotFound"))
    }

    /// Makes one change of an interface, or refuses it.
    pub(super) fn change_network(&mut self, refuse: &Refuser, change: &NetworkChange) -> Done {
        match change {
            NetworkChange::DisassociateAddress { interface, private_ip, association } => {
                let port = self.port(refuse, interface)?;
                let held = port.elastic.remove(private_ip).filter(|held| held.association == *association);
                let held = held.ok_or_else(|| refuse.conflict("InvalidAssociationID.NotFound"))?;
                port.public_ips.retain(|address| *address != held.public_ip);
            }
            NetworkChange::AssociateAddress { interface, private_ip, allocation } => {
                let address = self.elastic.get(allocation).cloned();
                let address = address.ok_or_else(|| refuse.conflict("InvalidAllocationID.NotFound"))?;
                if self.holder(allocation).is_some() {
                    return Err(refuse.conflict("Resource.AlreadyAssociated"));
                }
                associate(self.port(refuse, interface)?, private_ip, allocation, &address);
            }
            NetworkChange::AssociatePublicIpAddress { interface, enabled } => {
                let number = self.next();
                let port = self.port(refuse, interface)?;
                let former = port.automatic.take();
                port.public_ips.retain(|address| Some(address) != former.as_ref());
                if *enabled && port.elastic.is_empty() {
                    let address = former.unwrap_or_else(|| format!("198.51.100.{number}"));
                    port.public_ips.push(address.clone());
                    port.automatic = Some(address);
                }
            }
            NetworkChange::SetIdleTimeouts { interface, timeouts } => {
                let IdleTimeouts { tcp_established, udp_stream, udp } = *timeouts;
                let fits = tcp_established.is_none_or(|seconds| (60..=432_000).contains(&seconds))
                    && udp_stream.is_none_or(|seconds| (60..=180).contains(&seconds))
                    && udp.is_none_or(|seconds| (30..=60).contains(&seconds));
                if !fits {
                    return Err(refuse.invalid("InvalidParameterValue", "an idle timeout is out of its range"));
                }
                let port = self.port(refuse, interface)?;
                let former = port.idle_timeouts.unwrap_or(IdleTimeouts::UNSET);
                port.idle_timeouts = Some(IdleTimeouts {
                    tcp_established: tcp_established.or(former.tcp_established),
                    udp_stream: udp_stream.or(former.udp_stream),
                    udp: udp.or(former.udp),
                });
            }
        }
        Ok(Vec::new())
    }
}

/// An elastic address takes the place of an automatic one (VPC guide, elastic IP addresses).
fn associate(interface: &mut Interface, private_ip: &str, allocation: &AllocationId, public_ip: &str) {
    let former = interface.automatic.take();
    interface.public_ips.retain(|address| Some(address) != former.as_ref());
    interface.public_ips.push(public_ip.to_owned());
    let association = format!("eipassoc-{}", allocation.as_str().trim_start_matches("eipalloc-"));
    let held = ElasticAddress { allocation: allocation.clone(), association, public_ip: public_ip.to_owned() };
    interface.elastic.insert(private_ip.to_owned(), held);
}
