//! EC2 public addresses of interfaces, and how long AWS keeps their connections.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    Address, ConnectionTrackingConfiguration as Said, ConnectionTrackingSpecificationRequest, Filter, NetworkInterface,
    NetworkInterfaceAssociation,
};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read, text};
use crate::api::ids::{AllocationId, InterfaceId};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::playbook::effect::Receipt;
use crate::playbook::interface::{ElasticAddress, IdleTimeouts};
use crate::playbook::network_change::NetworkChange;
use crate::playbook::seen::Read;

const ADDRESSES: Question = ("DescribeAddresses", "ec2:DescribeAddresses");
const CHANGE: &str = "ModifyNetworkInterfaceAttribute";

/// Longest address, and longest id.
const NAME: usize = 64;

/// Private addresses, each with what it is associated with: that of the interface is its primary one's.
fn associations(found: &NetworkInterface) -> impl Iterator<Item = (&str, &NetworkInterfaceAssociation)> {
    let primary = found.private_ip_address().zip(found.association());
    let each = found.private_ip_addresses().iter();
    primary.into_iter().chain(each.filter_map(|address| address.private_ip_address().zip(address.association())))
}

/// The elastic addresses of an interface, by the private ones.
pub(super) fn elastic(found: &NetworkInterface) -> BTreeMap<String, ElasticAddress> {
    let each = associations(found).filter_map(|(private_ip, association)| {
        let held = ElasticAddress {
            allocation: id(association.allocation_id())?,
            association: association.association_id().map(|id| text(Some(id), NAME))?,
            public_ip: text(association.public_ip(), NAME),
        };
        Some((text(Some(private_ip), NAME), held))
    });
    each.collect()
}

/// The address that AWS assigned by itself: nobody has allocated it.
pub(super) fn automatic(found: &NetworkInterface) -> Option<String> {
    let nobodys = associations(found).filter(|(_, one)| one.allocation_id().is_none_or(str::is_empty));
    nobodys.filter_map(|(_, one)| one.public_ip()).find(|ip| !ip.is_empty()).map(|ip| text(Some(ip), NAME))
}

/// What AWS keeps of connections, as far as the interface has idle timeouts of its own.
pub(super) fn idle_timeouts(found: &NetworkInterface) -> IdleTimeouts {
    let said = found.connection_tracking_configuration();
    IdleTimeouts {
        tcp_established: said.and_then(Said::tcp_established_timeout),
        udp_stream: said.and_then(Said::udp_stream_timeout),
        udp: said.and_then(Said::udp_timeout),
    }
}

/// What these addresses are associated with. By filter, since one that is gone must not hide the others.
pub(super) async fn by_id(
    session: &Session,
    ids: &BTreeSet<AllocationId>,
) -> Read<BTreeMap<AllocationId, Option<String>>> {
    if ids.is_empty() {
        return Read::NotRead;
    }
    let asked_at = now();
    read(asked_at, Box::pin(held(session, ids)).await)
}

async fn held(
    session: &Session,
    ids: &BTreeSet<AllocationId>,
) -> Result<BTreeMap<AllocationId, Option<String>>, Fault> {
    let these = ids.iter().map(ToString::to_string).collect();
    let these = Filter::builder().name("allocation-id").set_values(Some(these)).build();
    let answer = session.ask(ADDRESSES, session.ec2.describe_addresses().filters(these).send()).await?;
    Ok(answer.addresses().iter().filter_map(|address| Some((id(address.allocation_id())?, holder(address)))).collect())
}

fn holder(address: &Address) -> Option<String> {
    address.association_id()?;
    let holder = [address.network_interface_id(), address.instance_id(), address.association_id()];
    holder.into_iter().flatten().find(|id| !id.is_empty()).map(|id| text(Some(id), NAME))
}

/// Makes one change of an interface.
pub(super) async fn change(order: &Order<'_>, change: &NetworkChange) -> Result<Receipt, CloudError> {
    match change {
        NetworkChange::DisassociateAddress { association, .. } => Box::pin(disassociate(order, association)).await,
        NetworkChange::AssociateAddress { interface, private_ip, allocation } => {
            Box::pin(associate(order, interface, private_ip, allocation)).await
        }
        NetworkChange::AssociatePublicIpAddress { interface, enabled } => {
            Box::pin(set_automatic(order, interface, *enabled)).await
        }
        NetworkChange::SetIdleTimeouts { interface, timeouts } => {
            Box::pin(set_idle_timeouts(order, interface, *timeouts)).await
        }
    }
}

async fn disassociate(order: &Order<'_>, association: &str) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request =
        order.session.ec2_once.disassociate_address().association_id(association).customize().interceptor(mark.clone());
    Ok(order.send("DisassociateAddress", &mark, request.send()).await?.1)
}

/// Refused where the address is associated with anything: without the flag AWS would move it.
async fn associate(
    order: &Order<'_>,
    interface: &InterfaceId,
    private_ip: &str,
    allocation: &AllocationId,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .associate_address()
        .allocation_id(allocation.as_str())
        .network_interface_id(interface.as_str())
        .private_ip_address(private_ip)
        .allow_reassociation(false)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("AssociateAddress", &mark, request.send()).await?.1)
}

async fn set_automatic(order: &Order<'_>, interface: &InterfaceId, enabled: bool) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_network_interface_attribute()
        .network_interface_id(interface.as_str())
        .associate_public_ip_address(enabled)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}

async fn set_idle_timeouts(
    order: &Order<'_>,
    interface: &InterfaceId,
    timeouts: IdleTimeouts,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let wanted = ConnectionTrackingSpecificationRequest::builder()
        .set_tcp_established_timeout(timeouts.tcp_established)
        .set_udp_stream_timeout(timeouts.udp_stream)
        .set_udp_timeout(timeouts.udp)
        .build();
    let request = order
        .session
        .ec2_once
        .modify_network_interface_attribute()
        .network_interface_id(interface.as_str())
        .connection_tracking_specification(wanted)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{ConnectionTrackingConfiguration, NetworkInterfacePrivateIpAddress};

    fn address(private: &str, association: NetworkInterfaceAssociation) -> NetworkInterfacePrivateIpAddress {
        NetworkInterfacePrivateIpAddress::builder().private_ip_address(private).association(association).build()
    }

    #[test]
    fn elastic_and_automatic_addresses_are_told_from_each_other_and_from_others() {
        let association = NetworkInterfaceAssociation::builder;
        let own = association()
            .allocation_id("eipalloc-0123456789abcdef0")
            .association_id("eipassoc-1")
            .ip_owner_id("111122223333")
            .public_ip("203.0.113.1");
        let of_aws = association().ip_owner_id("amazon").public_ip("198.51.100.1");
        let carrier = association().ip_owner_id("amazon").carrier_ip("192.0.2.1");
        let found = NetworkInterface::builder()
            .private_ip_address("10.0.0.5")
            .association(own.clone().build())
            .private_ip_addresses(address("10.0.0.5", own.build()))
            .private_ip_addresses(address("10.0.0.6", carrier.build()))
            .private_ip_addresses(address("10.0.0.7", of_aws.build()))
            .build();
        let elastic = elastic(&found);
        assert_eq!(elastic.keys().collect::<Vec<_>>(), ["10.0.0.5"]);
        assert_eq!(elastic["10.0.0.5"].association, "eipassoc-1");
        assert_eq!(automatic(&found).as_deref(), Some("198.51.100.1"));
    }

    #[test]
    fn an_interface_that_says_nothing_has_no_idle_timeouts_of_its_own() {
        assert_eq!(idle_timeouts(&NetworkInterface::builder().build()), IdleTimeouts::UNSET);
        let said = ConnectionTrackingConfiguration::builder().tcp_established_timeout(350).build();
        let found = NetworkInterface::builder().connection_tracking_configuration(said).build();
        assert_eq!(idle_timeouts(&found), IdleTimeouts { tcp_established: Some(350), ..IdleTimeouts::UNSET });
    }

    #[test]
    fn an_address_is_free_where_it_has_no_association() {
        assert_eq!(holder(&Address::builder().allocation_id("eipalloc-1").build()), None);
        let held = Address::builder().association_id("eipassoc-1");
        assert_eq!(holder(&held.clone().build()).as_deref(), Some("eipassoc-1"));
        assert_eq!(holder(&held.network_interface_id("eni-1").build()).as_deref(), Some("eni-1"));
    }
}
