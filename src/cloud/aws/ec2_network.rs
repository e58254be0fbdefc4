//! EC2 network interfaces: where a host is reachable, and the groups that close it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    Filter, NetworkInterface, NetworkInterfaceAssociation, NetworkInterfaceAttachment, NetworkInterfaceType,
};

use super::calls::{Order, Question};
use super::ec2_addresses;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read as answered, text};
use crate::api::ids::{InstanceId, InterfaceId, SecurityGroupId};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::playbook::effect::Receipt;
use crate::playbook::seen::{Interface, Read};

const INTERFACES: Question = ("DescribeNetworkInterfaces", "ec2:DescribeNetworkInterfaces");
const BRANCHES: Question = ("DescribeTrunkInterfaceAssociations", "ec2:DescribeTrunkInterfaceAssociations");

/// Values that one filter takes
/// ([EC2 reference](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html)).
const FILTER_VALUES: usize = 200;

/// Longest address: IPv6 with a prefix length.
const ADDRESS: usize = 64;

/// EC2 `DescribeNetworkInterfaces` of what is attached to the instance, and of the branches of its trunk interfaces. An
/// interface that can't be read makes the answer none: to leave it out would be to call a host closed that is open.
pub(super) async fn interfaces(session: &Session, instance: &InstanceId) -> Result<Vec<Interface>, Fault> {
    let attached = Filter::builder().name("attachment.instance-id").values(instance.as_str()).build();
    let request = session.ec2.describe_network_interfaces().filters(attached).into_paginator().items().send();
    let all = session.ask(INTERFACES, request.try_collect()).await?;
    let mut found = Vec::with_capacity(all.len());
    let mut trunks = BTreeMap::new();
    for interface in &all {
        let read = read(session, interface)?;
        if interface.interface_type() == Some(&NetworkInterfaceType::Trunk) {
            trunks.insert(read.id.clone(), read.device_index);
        }
        found.push(read);
    }
    if !trunks.is_empty() {
        found.extend(branches(session, &trunks).await?);
    }
    found.sort_by(|a: &Interface, b| (a.device_index, &a.trunk, &a.id).cmp(&(b.device_index, &b.trunk, &b.id)));
    Ok(found)
}

fn read(session: &Session, interface: &NetworkInterface) -> Result<Interface, CloudError> {
    ours(interface).ok_or_else(|| session.puzzled(INTERFACES, "an interface without id, VPC or group ids"))
}

/// EC2 `DescribeTrunkInterfaceAssociations`, which takes no filter on the trunk, and the interfaces that it names: those are
/// not listed with the instance.
async fn branches(session: &Session, trunks: &BTreeMap<InterfaceId, i32>) -> Result<Vec<Interface>, Fault> {
    let request = session.ec2.describe_trunk_interface_associations().into_paginator().items().send();
    let all = session.ask(BRANCHES, request.try_collect()).await?;
    let mut carried = BTreeMap::new();
    for association in &all {
        let named = id::<InterfaceId>(association.trunk_interface_id()).zip(id(association.branch_interface_id()));
        let (trunk, branch) =
            named.ok_or_else(|| session.puzzled(BRANCHES, "an association without its interfaces"))?;
        if trunks.contains_key(&trunk) {
            carried.insert(branch, trunk);
        }
    }
    let mut found = named(session, carried.keys().collect()).await?;
    for branch in &mut found {
        branch.trunk = carried.get(&branch.id).cloned();
        branch.device_index = branch.trunk.as_ref().and_then(|trunk| trunks.get(trunk)).copied().unwrap_or_default();
    }
    Ok(found)
}

/// EC2 `DescribeNetworkInterfaces` of these, attached or not. By filter, since one that is gone must not hide the others.
async fn named(session: &Session, ids: Vec<&InterfaceId>) -> Result<Vec<Interface>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(FILTER_VALUES) {
        let ids = some.iter().map(ToString::to_string).collect();
        let these = Filter::builder().name("network-interface-id").set_values(Some(ids)).build();
        let request = session.ec2.describe_network_interfaces().filters(these).into_paginator().items().send();
        for interface in &session.ask(INTERFACES, request.try_collect()).await? {
            found.push(read(session, interface)?);
        }
    }
    Ok(found)
}

/// Interfaces by id, wherever they are attached.
pub(super) async fn by_id(session: &Session, ids: &BTreeSet<InterfaceId>) -> Read<Vec<Interface>> {
    if ids.is_empty() {
        return Read::NotRead;
    }
    let asked_at = now();
    answered(asked_at, named(session, ids.iter().collect()).await)
}

fn ours(found: &NetworkInterface) -> Option<Interface> {
    let mut addresses: Vec<_> = found.private_ip_addresses().iter().collect();
    addresses.sort_by_key(|address| !address.primary().unwrap_or_default());
    let outside = found.association().into_iter().chain(addresses.iter().filter_map(|address| address.association()));
    let outside: BTreeSet<String> = outside.flat_map(reachable_by).collect();
    // A prefix is a range of addresses, each as reachable as a single one.
    let prefixes = found.ipv6_prefixes().iter().filter_map(|prefix| prefix.ipv6_prefix());
    let ipv6 = found.ipv6_addresses().iter().filter_map(|address| address.ipv6_address()).chain(prefixes);
    Some(Interface {
        id: id(found.network_interface_id())?,
        vpc: id(found.vpc_id())?,
        subnet: id(found.subnet_id()),
        trunk: None,
        device_index: found.attachment().and_then(NetworkInterfaceAttachment::device_index).unwrap_or_default(),
        groups: found.groups().iter().map(|group| id::<SecurityGroupId>(group.group_id())).collect::<Option<_>>()?,
        private_ips: addresses
            .iter()
            .filter_map(|address| address.private_ip_address())
            .map(|ip| text(Some(ip), ADDRESS))
            .collect(),
        ipv6: ipv6.map(|ip| text(Some(ip), ADDRESS)).collect(),
        public_ips: outside.into_iter().collect(),
        elastic: ec2_addresses::elastic(found),
        automatic: ec2_addresses::automatic(found),
        idle_timeouts: Some(ec2_addresses::idle_timeouts(found)),
    })
}

/// Elastic and automatic addresses, those of a carrier's network and of an Outpost's own: all lead in from outside.
fn reachable_by(association: &NetworkInterfaceAssociation) -> impl Iterator<Item = String> {
    [association.public_ip(), association.carrier_ip(), association.customer_owned_ip()]
        .into_iter()
        .flatten()
        .filter(|ip| !ip.is_empty())
        .map(|ip| text(Some(ip), ADDRESS))
}

/// Those of the private IPv4 addresses that interfaces of others have, in whichever network of the account and Region.
pub(super) async fn addresses_of_others(
    session: &Session,
    ours: &[Interface],
    addresses: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, Fault> {
    let mut taken = BTreeSet::new();
    let addresses: Vec<&str> = addresses.iter().copied().collect();
    // AWS takes 200 values a filter (EC2 guide, filtering).
    for some in addresses.chunks(FILTER_VALUES) {
        let values = some.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("addresses.private-ip-address").set_values(Some(values)).build();
        let request = session.ec2.describe_network_interfaces().filters(filter).into_paginator().items().send();
        let found = session.ask(INTERFACES, request.try_collect()).await?;
        let is_ours = |found: &NetworkInterface| {
            ours.iter().any(|interface| found.network_interface_id() == Some(interface.id.as_str()))
        };
        let others = found.iter().filter(|found| !is_ours(found)).flat_map(NetworkInterface::private_ip_addresses);
        let all = others.filter_map(|address| address.private_ip_address());
        taken.extend(all.filter(|address| some.contains(address)).map(ToOwned::to_owned));
    }
    Ok(taken)
}

/// EC2 `ModifyNetworkInterfaceAttribute`: these groups and no others.
pub(super) async fn set_groups<'g>(
    order: &Order<'_>,
    interface: &InterfaceId,
    groups: impl IntoIterator<Item = &'g SecurityGroupId>,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_network_interface_attribute()
        .network_interface_id(interface.as_str())
        .set_groups(Some(groups.into_iter().map(ToString::to_string).collect()))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("ModifyNetworkInterfaceAttribute", &mark, request.send()).await?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{
        GroupIdentifier, Ipv6PrefixSpecification, NetworkInterfaceIpv6Address, NetworkInterfacePrivateIpAddress,
    };

    fn group(id: &str) -> GroupIdentifier {
        GroupIdentifier::builder().group_id(id).build()
    }

    fn whole() -> aws_sdk_ec2::types::builders::NetworkInterfaceBuilder {
        NetworkInterface::builder()
            .network_interface_id("eni-0123456789abcdef0")
            .vpc_id("vpc-0123456789abcdef0")
            .attachment(NetworkInterfaceAttachment::builder().device_index(1).build())
            .groups(group("sg-0123456789abcdef0"))
    }

    #[test]
    fn every_way_in_from_outside_counts() {
        let elastic = NetworkInterfaceAssociation::builder().public_ip("198.51.100.1").build();
        let carrier = NetworkInterfaceAssociation::builder().carrier_ip("198.51.100.2").build();
        let second =
            NetworkInterfacePrivateIpAddress::builder().private_ip_address("10.0.0.9").association(carrier).build();
        let first = NetworkInterfacePrivateIpAddress::builder().private_ip_address("10.0.0.5").primary(true).build();
        let found = whole()
            .association(elastic)
            .private_ip_addresses(second)
            .private_ip_addresses(first)
            .ipv6_addresses(NetworkInterfaceIpv6Address::builder().ipv6_address("2001:db8::1").build())
            .ipv6_prefixes(Ipv6PrefixSpecification::builder().ipv6_prefix("2001:db8:1::/80").build())
            .build();
        let ours = ours(&found).unwrap();
        assert_eq!(ours.private_ips, ["10.0.0.5", "10.0.0.9"]);
        assert_eq!(ours.public_ips, ["198.51.100.1", "198.51.100.2"]);
        assert_eq!(ours.ipv6, ["2001:db8::1", "2001:db8:1::/80"]);
        assert_eq!(ours.device_index, 1);
    }

    #[test]
    fn an_interface_that_is_half_read_is_not_read() {
        assert!(ours(&whole().build()).is_some());
        assert!(ours(&whole().groups(group("sg-future/format")).build()).is_none());
        assert!(ours(&NetworkInterface::builder().network_interface_id("eni-0123456789abcdef0").build()).is_none());
    }
}
