//! EC2 security groups and their rules.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, Tag, TagSpecification, UserIdGroupPair,
};

use super::calls::{Order, Question};
use super::sessions::Session;
use super::words::{id, kept, read, text};
use crate::api::ids::{SecurityGroupId, VpcId};
use crate::clock::now;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::operation_tag;
use crate::playbook::effect::{Created, Receipt};
use crate::playbook::own_groups::GroupRole;
use crate::playbook::seen::{Direction, Peer, Read, Rule, SecurityGroup};

const GROUPS: Question = ("DescribeSecurityGroups", "ec2:DescribeSecurityGroups");

/// Readable from the account, also by who stole a role of it: says nothing.
const DESCRIPTION: &str = "network baseline";

/// A filter takes 200 values at most (EC2 reference, `Filter`).
const VALUES: usize = 200;

/// Groups of these names, in every VPC of the Region.
pub(super) async fn by_name(session: &Session, tag_prefix: &str, names: &[String]) -> Read<Vec<SecurityGroup>> {
    groups(session, tag_prefix, "group-name", names.iter().map(String::as_str).collect()).await
}

/// Groups of these ids; one that is gone is not in the answer, which is why the ids are a filter here.
pub(super) async fn by_id(
    session: &Session,
    tag_prefix: &str,
    ids: &BTreeSet<SecurityGroupId>,
) -> Read<Vec<SecurityGroup>> {
    groups(session, tag_prefix, "group-id", ids.iter().map(SecurityGroupId::as_str).collect()).await
}

async fn groups(session: &Session, tag_prefix: &str, filter: &str, values: Vec<&str>) -> Read<Vec<SecurityGroup>> {
    if values.is_empty() {
        return Read::NotRead;
    }
    let asked_at = now();
    let mut found = Vec::new();
    for values in values.chunks(VALUES) {
        let values = values.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name(filter).set_values(Some(values)).build();
        let request = session.ec2.describe_security_groups().filters(filter).into_paginator().items().send();
        match session.ask(GROUPS, request.try_collect()).await {
            Ok(more) => found.extend(more),
            Err(fault) => return read(asked_at, Err(fault)),
        }
    }
    let (own, tag) = (session.access.account.as_str(), operation_tag(tag_prefix));
    read(asked_at, Ok(kept("security groups", found.iter().map(|group| ours(own, &tag, group)))))
}

fn ours(own: &str, tag: &str, found: &aws_sdk_ec2::types::SecurityGroup) -> Option<SecurityGroup> {
    let mark = found.tags().iter().find(|found| found.key() == Some(tag));
    let ingress = found.ip_permissions().iter().flat_map(|permission| rules(own, Direction::Ingress, permission));
    let egress = found.ip_permissions_egress().iter().flat_map(|permission| rules(own, Direction::Egress, permission));
    Some(SecurityGroup {
        id: id(found.group_id())?,
        name: text(found.group_name(), 255),
        vpc: id(found.vpc_id())?,
        operation: mark.map(|mark| text(mark.value(), 255)),
        rules: ingress.chain(egress).collect(),
    })
}

/// One rule for each peer. None is left out, whatever AWS calls the peer: a group that has a rule is not closed.
fn rules(own: &str, direction: Direction, permission: &IpPermission) -> Vec<Rule> {
    let protocol = text(permission.ip_protocol(), 32);
    // Without a protocol there are no ports, however they are written.
    let ports = |port: Option<i32>| if protocol == "-1" { None } else { port };
    let peer = |value: Option<&str>| text(value, 128);
    let ipv4 = permission.ip_ranges().iter().map(|range| Peer::Ipv4(peer(range.cidr_ip())));
    let ipv6 = permission.ipv6_ranges().iter().map(|range| Peer::Ipv6(peer(range.cidr_ipv6())));
    let lists = permission.prefix_list_ids().iter().map(|list| Peer::PrefixList(peer(list.prefix_list_id())));
    let others = permission.user_id_group_pairs().iter().map(|pair| Peer::Group {
        id: peer(pair.group_id()),
        owner: pair.user_id().filter(|owner| *owner != own).map(|owner| text(Some(owner), 64)),
    });
    ipv4.chain(ipv6)
        .chain(lists)
        .chain(others)
        .map(|peer| Rule {
            direction,
            protocol: protocol.clone(),
            from: ports(permission.from_port()),
            to: ports(permission.to_port()),
            peer,
        })
        .collect()
}

fn permission(rule: &Rule) -> IpPermission {
    let permission = IpPermission::builder().ip_protocol(&rule.protocol).set_from_port(rule.from).set_to_port(rule.to);
    match &rule.peer {
        Peer::Ipv4(range) => permission.ip_ranges(IpRange::builder().cidr_ip(range).build()),
        Peer::Ipv6(range) => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build()),
        Peer::PrefixList(list) => permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(list).build()),
        Peer::Group { id, owner } => {
            permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(id).set_user_id(owner.clone()).build())
        }
    }
    .build()
}

/// EC2 `CreateSecurityGroup`. It has no client token; its name is unique in the VPC. The operation id is on it from
/// birth, so that nobody else's group is taken for it.
pub(super) async fn create(
    order: &Order<'_>,
    vpc: &VpcId,
    name: &str,
    role: GroupRole,
    tag_prefix: &str,
) -> Result<Receipt, CloudError> {
    let tag = Tag::builder().key(operation_tag(tag_prefix)).value(&order.operation.0).build();
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .create_security_group()
        .vpc_id(vpc.as_str())
        .group_name(name)
        .description(DESCRIPTION)
        .tag_specifications(TagSpecification::builder().resource_type(ResourceType::SecurityGroup).tags(tag).build())
        .customize()
        .interceptor(mark.clone());
    let (answer, receipt) = order.send("CreateSecurityGroup", &mark, request.send()).await?;
    let id = id(answer.group_id()).ok_or_else(|| order.puzzled("no group id"))?;
    Ok(Receipt { created: vec![Created::SecurityGroup { id, vpc: vpc.clone(), role }], ..receipt })
}

/// EC2 `AuthorizeSecurityGroupIngress` and `-Egress`, side by side. A rule that is there already is what was asked for.
pub(super) async fn authorize(
    order: &Order<'_>,
    group: &SecurityGroupId,
    rules: &BTreeSet<Rule>,
) -> Result<Receipt, CloudError> {
    let (ingress, egress) = split(rules);
    let client = &order.session.ec2_once;
    let ingress = async {
        let Some(permissions) = ingress else { return Ok(Receipt::default()) };
        let mark = order.mark();
        let request = client
            .authorize_security_group_ingress()
            .group_id(group.as_str())
            .set_ip_permissions(Some(permissions))
            .customize()
            .interceptor(mark.clone());
        Ok(order.send("AuthorizeSecurityGroupIngress", &mark, request.send()).await?.1)
    };
    let egress = async {
        let Some(permissions) = egress else { return Ok(Receipt::default()) };
        let mark = order.mark();
        let request = client
            .authorize_security_group_egress()
            .group_id(group.as_str())
            .set_ip_permissions(Some(permissions))
            .customize()
            .interceptor(mark.clone());
        Ok(order.send("AuthorizeSecurityGroupEgress", &mark, request.send()).await?.1)
    };
    let (ingress, egress) = tokio::join!(ingress, egress);
    both(accepting(ingress, "InvalidPermission.Duplicate"), accepting(egress, "InvalidPermission.Duplicate"))
}

/// EC2 `RevokeSecurityGroupIngress` and `-Egress`, side by side. A rule that is gone already is what was asked for.
pub(super) async fn revoke(
    order: &Order<'_>,
    group: &SecurityGroupId,
    rules: &BTreeSet<Rule>,
) -> Result<Receipt, CloudError> {
    let (ingress, egress) = split(rules);
    let client = &order.session.ec2_once;
    let ingress = async {
        let Some(permissions) = ingress else { return Ok(Receipt::default()) };
        let mark = order.mark();
        let request = client
            .revoke_security_group_ingress()
            .group_id(group.as_str())
            .set_ip_permissions(Some(permissions))
            .customize()
            .interceptor(mark.clone());
        Ok(order.send("RevokeSecurityGroupIngress", &mark, request.send()).await?.1)
    };
    let egress = async {
        let Some(permissions) = egress else { return Ok(Receipt::default()) };
        let mark = order.mark();
        let request = client
            .revoke_security_group_egress()
            .group_id(group.as_str())
            .set_ip_permissions(Some(permissions))
            .customize()
            .interceptor(mark.clone());
        Ok(order.send("RevokeSecurityGroupEgress", &mark, request.send()).await?.1)
    };
    let (ingress, egress) = tokio::join!(ingress, egress);
    both(accepting(ingress, "InvalidPermission.NotFound"), accepting(egress, "InvalidPermission.NotFound"))
}

type Permissions = Option<Vec<IpPermission>>;

fn split(rules: &BTreeSet<Rule>) -> (Permissions, Permissions) {
    let of = |direction| {
        let found: Vec<_> = rules.iter().filter(|rule| rule.direction == direction).map(permission).collect();
        (!found.is_empty()).then_some(found)
    };
    (of(Direction::Ingress), of(Direction::Egress))
}

/// With several rules in one call the code may stand for one of them, and AWS then applied none: the next look sees
/// what is still lacking, so success here is never the last word.
fn accepting(answer: Result<Receipt, CloudError>, code: &str) -> Result<Receipt, CloudError> {
    match answer {
        Err(error) if error.code == code => Ok(Receipt::default()),
        other => other,
    }
}

/// Both or none: a lost reply weighs most, since only it leaves open what stands there now.
fn both(ingress: Result<Receipt, CloudError>, egress: Result<Receipt, CloudError>) -> Result<Receipt, CloudError> {
    match (ingress, egress) {
        (Ok(one), Ok(other)) => {
            let ids: Vec<String> = [one.request_id, other.request_id].into_iter().flatten().collect();
            Ok(Receipt {
                request_id: (!ids.is_empty()).then(|| ids.join(", ")),
                server_date: other.server_date.or(one.server_date),
                created: Vec::new(),
            })
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(one), Err(other)) => Err(if other.class == ErrorClass::Ambiguous { other } else { one }),
    }
}

#[cfg(test)]
#[path = "ec2_groups_tests.rs"]
mod tests;
