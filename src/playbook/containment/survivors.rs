//! The survivor list: each path that can still carry traffic of a closed host, and the switch that closes it.
//!
//! What is tracked, and what no group filters: EC2 guide, connection tracking; VPC guide, security groups.

use super::node;
use super::pulse;
use crate::api::credentials::MetadataService;
use crate::api::quarantine::{PublicAddress, Pulse};
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::balancers::TargetGroup;
use crate::playbook::effect::Effect;
use crate::playbook::interface::IdleTimeouts;
use crate::playbook::seen::{Instance, Interface};
use crate::playbook::step::View;
use crate::playbook::ways::Ways;

/// Ids that one line names.
const NAMED: usize = 5;

/// What is felt by whoever else is in the subnet.
const SUBNET_ACL: &str = "CreateNetworkAclEntry in the network ACL of its subnet, which every neighbour there feels";

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survivor {
    /// An id of AWS, or what it is called.
    pub path: String,
    /// Why it may carry traffic.
    pub why: String,
    /// A field of the spec, or a call of AWS.
    pub closed_by: String,
}

fn survivor(path: impl Into<String>, why: impl Into<String>, closed_by: impl Into<String>) -> Survivor {
    Survivor { path: path.into(), why: why.into(), closed_by: closed_by.into() }
}

/// All that apply to the host as it was seen, the likeliest first.
pub(super) fn of(view: &View<'_, Quarantine>, instance: &Instance, interfaces: &[Interface]) -> Vec<Survivor> {
    let mut all: Vec<Survivor> = interfaces.iter().filter_map(|interface| tracked(view, interface)).collect();
    all.extend(interfaces.iter().flat_map(|interface| from_outside(view, interface)));
    let ways = view.seen.ways.value();
    all.extend(ways.into_iter().flat_map(through));
    all.extend(balancers(view));
    all.push(survivor(
        "ICMP",
        "it is always tracked, so that an exchange that was going on is let through until it ends",
        SUBNET_ACL,
    ));
    all.push(survivor(
        "DNS",
        "neither groups nor network ACLs filter the VPC's resolver (169.254.169.253, and the base of the VPC's range plus two): \
         queries are answered, and can carry data out",
        "AssociateFirewallRuleGroup of Route 53 Resolver DNS Firewall, which the whole VPC feels",
    ));
    all.extend(metadata_service(view, instance));
    all.extend(ways.into_iter().flat_map(beside_the_network));
    if node::has_pods(view) {
        all.push(survivor(
            "pod roles",
            "by its tags or its branch interfaces pods run on it: roles that they got by IRSA or EKS Pod Identity are not the \
             instance's, and their sessions stay valid",
            "PutRolePolicy with a deny on those roles, and DeletePodIdentityAssociation",
        ));
    }
    all
}

/// Connections that were open before the groups were changed.
fn tracked(view: &View<'_, Quarantine>, interface: &Interface) -> Option<Survivor> {
    let record = view.record;
    let given_up = record.given_up.contains_key(&format!("Isolated/{}", interface.id));
    // Begun is not opened: what became of it is known when AWS has answered.
    let opening = |effect: &Effect| matches!(effect, Effect::OpenForPulse { interface: of, .. } if *of == interface.id);
    let unanswered = record.operations.values().any(|made| made.outcome.is_none() && opening(&made.effect));
    if record.pulsed.contains(&interface.id) && !given_up && !unanswered {
        return None;
    }
    // Where the groups let everything through both ways nothing was tracked, and the change of groups cut it.
    let former = view.seen.former_groups.value();
    if former.is_some_and(|former| !pulse::helps(view, interface, former)) {
        return None;
    }
    let open = interface.has_public_address();
    let closed_by = match view.spec.isolation.pulse {
        Pulse::Never if !open && !given_up => "spec.isolation.pulse: Auto",
        Pulse::Never | Pulse::Auto => SUBNET_ACL,
    };
    let idle = match interface.idle_timeouts.unwrap_or(IdleTimeouts::UNSET) {
        IdleTimeouts { tcp_established: None, .. } => "five days for TCP, 350 s on Nitro v6".to_owned(),
        set => set.to_string(),
    };
    let why = format!(
        "connections that were tracked when its groups were changed go on until nothing goes on there for as long as AWS keeps \
         them ({idle}): no pulse ended them"
    );
    Some(survivor(interface.id.as_str(), why, closed_by))
}

/// Addresses by which it was reached from outside.
fn from_outside<'a>(view: &'a View<'_, Quarantine>, interface: &'a Interface) -> impl Iterator<Item = Survivor> + 'a {
    let why = "a connection that came in by it before is tracked, and no pulse is made while it stands";
    let elastic = |address: &String| interface.elastic.values().any(|held| held.public_ip == *address);
    let v4 = interface.public_ips.iter().map(move |address| {
        let ours = elastic(address) || interface.automatic.as_ref() == Some(address);
        let closed_by = match view.spec.isolation.public_address {
            PublicAddress::Remove if ours => "FlowsCut, which takes it",
            PublicAddress::Leave if ours => "spec.isolation.publicAddress: Remove",
            PublicAddress::Remove | PublicAddress::Leave => SUBNET_ACL,
        };
        survivor(address, format!("the public address of {}: {why}", interface.id), closed_by)
    });
    let v6 = interface.ipv6.iter().map(move |address| {
        survivor(address, format!("an IPv6 address of {}: {why}", interface.id), "UnassignIpv6Addresses")
    });
    v4.chain(v6)
}

/// By what lies beyond its network, or tracks every connection.
fn through(ways: &Ways) -> Vec<Survivor> {
    let mut all: Vec<Survivor> = ways.routes.iter().flatten().map(routed).collect();
    let endpoints: Vec<_> = ways.endpoints.iter().flatten().collect();
    if !endpoints.is_empty() {
        let services = endpoints.into_iter().map(|(id, service)| format!("{id} ({service})"));
        all.push(survivor(
            "interface endpoints",
            format!(
                "connections to endpoints of its VPC are always tracked, whatever was pulsed: {}",
                some_of(services.collect())
            ),
            "ModifyVpcEndpoint with other security groups for the endpoint, which its other users feel",
        ));
    }
    all
}

fn routed(target: &String) -> Survivor {
    let (what, closed_by) = match target.split('-').next() {
        Some("nat") => (
            "a NAT gateway",
            "CreateNetworkAclEntry in the network ACL of the NAT gateway's subnet: a deny of the host's address both ways, which \
             neighbours do not feel",
        ),
        Some("eigw") => ("an egress-only internet gateway", SUBNET_ACL),
        Some("tgw") => ("a transit gateway", SUBNET_ACL),
        Some("vpce") => ("a VPC endpoint", SUBNET_ACL),
        // AWS does not say of these that it tracks every connection, nor that it does not.
        other => return beyond(target, other.unwrap_or_default()),
    };
    let why = format!(
        "{what} that a route of its subnet names: connections through it are always tracked, whatever was pulsed"
    );
    survivor(target, why, closed_by)
}

fn beyond(target: &String, kind: &str) -> Survivor {
    let what = match kind {
        "i" | "eni" => "an instance that passes traffic on (a NAT instance, or an appliance)",
        "vgw" => "a virtual private gateway",
        "pcx" => "a VPC peering connection",
        kind if kind.starts_with("arn:") => "a core network",
        _ => "a gateway",
    };
    let why = format!(
        "{what} that a route of its subnet names: connections that were tracked go on by it, and AWS does not say whether all of \
         them are, whatever was pulsed"
    );
    survivor(target, why, SUBNET_ACL)
}

fn balancers(view: &View<'_, Quarantine>) -> Vec<Survivor> {
    let Some(seen) = view.seen.balancers.value() else { return Vec::new() };
    let had = |attribute: &Attribute| {
        let nothing = [Value::Flag(false), Value::Set(std::collections::BTreeSet::new())];
        view.record.baseline.get(attribute).is_some_and(|value| !nothing.contains(value))
    };
    let mut all = Vec::new();
    for (arn, group) in seen.groups.iter().filter_map(|(arn, group)| Some((arn, group.as_ref()?))) {
        let forwards = |group: &TargetGroup| group.load_balancers.iter().any(|name| name.starts_with("net/"));
        if !group.draining.is_empty() {
            let why = "the load balancer lets connections to the host end by themselves, for as long as its deregistration delay";
            let closed_by =
                "ModifyTargetGroupAttributes: deregistration_delay.timeout_seconds, which every target of it feels";
            all.push(survivor(arn.as_str(), why, closed_by));
        } else if forwards(group) && had(&Attribute::Targets(arn.clone())) {
            let why = "connections through a Network Load Balancer are always tracked, and may outlive deregistration";
            let closed_by = "ModifyTargetGroupAttributes: deregistration_delay.connection_termination.enabled, before it is \
                             deregistered";
            all.push(survivor(arn.as_str(), why, closed_by));
        }
    }
    for (name, _) in seen.classic.iter().filter(|(_, found)| found.is_some_and(|balancer| balancer.draining)) {
        let why = "the classic load balancer lets connections to the host end by themselves";
        all.push(survivor(name.as_str(), why, "ModifyLoadBalancerAttributes: ConnectionDraining"));
    }
    all
}

fn metadata_service(view: &View<'_, Quarantine>, instance: &Instance) -> Option<Survivor> {
    let options = instance.metadata.as_ref()?;
    if !options.enabled && !options.pending {
        return None;
    }
    let closed_by = match view.spec.isolation.metadata_service {
        MetadataService::Disable => "CredentialsCut, which switches it off",
        MetadataService::Leave => "spec.isolation.metadataService: Disable",
    };
    let why = "groups do not filter 169.254.169.254: what runs on the host gets new credentials of its role there";
    Some(survivor("metadata service", why, closed_by))
}

/// What reaches the host by other means than its interfaces.
fn beside_the_network(ways: &Ways) -> Vec<Survivor> {
    let mut all = Vec::new();
    if ways.serial_console == Ok(true) {
        all.push(survivor(
            "serial console",
            "the account lets people connect to it in this Region, past every group and network ACL",
            "DisableSerialConsoleAccess, which the whole Region of the account feels",
        ));
    }
    for (volume, others) in ways.shared_volumes.iter().flatten() {
        let others = some_of(others.iter().map(ToString::to_string).collect());
        let why = format!("it is attached to {others} too (Multi-Attach): what one writes the other reads");
        all.push(survivor(volume.as_str(), why, "DetachVolume from those instances"));
    }
    all
}

fn some_of(mut all: Vec<String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let named = all.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}
