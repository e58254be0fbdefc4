//! The half of `cut_flows` that takes public addresses from a closed host, and gives them back.
//!
//! An elastic address first, by `DisassociateAddress`: AWS may then assign an automatic one in its place (VPC guide, elastic
//! IP addresses), which is taken when it is seen, as one is that was there from the start, by
//! `ModifyNetworkInterfaceAttribute`. An automatic address belongs to AWS: a release gets another one. An elastic one is
//! associated again only if nobody took it meanwhile. What somebody associates once the host is closed and was looked at is a
//! foreign change like any other: taken, recorded, and not given back.

use std::collections::BTreeSet;

use super::cut_flows::Work;
use crate::api::ids::AllocationId;
use crate::api::quarantine::PublicAddress;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Value};
use crate::playbook::effect::Effect;
use crate::playbook::interface::elastic_value;
use crate::playbook::network_change::NetworkChange;
use crate::playbook::record::Fact;
use crate::playbook::seen::Interface;
use crate::playbook::step::View;

fn is_declared(view: &View<'_, Quarantine>) -> bool {
    view.spec.isolation.public_address == PublicAddress::Remove
}

/// Whether one that it has is of a kind that is taken.
pub(super) fn takes(view: &View<'_, Quarantine>, interface: &Interface) -> bool {
    is_declared(view) && (interface.automatic.is_some() || !interface.elastic.is_empty())
}

/// How long AWS takes to assign an address in place of an elastic one, in seconds: "within a few minutes" (VPC guide, elastic
/// IP addresses). A call is remembered for as long.
const FOLLOWS: i64 = 300;

/// Seconds for which AWS may be about to assign an address in place of an elastic one that was taken: to a primary interface
/// that is the only one, and from which no automatic one was taken yet.
pub(super) fn may_follow(view: &View<'_, Quarantine>, interface: &Interface, interfaces: &[Interface]) -> Option<u32> {
    let alone = interfaces.iter().filter(|other| other.trunk.is_none()).count() == 1;
    let taken = view.record.applied.contains_key(&Attribute::AutomaticAddress(interface.id.clone()));
    if !alone || interface.device_index != 0 || taken {
        return None;
    }
    let took = view.record.operations.values().filter(|operation| {
        matches!(&operation.effect, Effect::Network(NetworkChange::DisassociateAddress { interface: of, .. })
            if *of == interface.id)
    });
    let last = took.map(|operation| operation.at.as_second()).max()?;
    let asked = view.seen.interfaces.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    u32::try_from(last + FOLLOWS - asked).ok().filter(|left| *left > 0)
}

fn had_elastic(view: &View<'_, Quarantine>, interface: &Interface) -> bool {
    let of = |attribute: &Attribute| matches!(attribute, Attribute::ElasticAddress(id, _) if *id == interface.id);
    view.record.applied.keys().any(of)
}

/// Takes what is seen, and keeps taken what was.
pub(super) fn take(view: &View<'_, Quarantine>, interface: &Interface, work: &mut Work) {
    let known = view.record.applied.keys().filter_map(|attribute| match attribute {
        Attribute::ElasticAddress(id, private_ip) if *id == interface.id => Some(private_ip),
        _ => None,
    });
    let seen = interface.elastic.keys().filter(|_| is_declared(view));
    // The first look at an interface says of all addresses whether they were there.
    let looked_at = view.record.holds(&Attribute::AutomaticAddress(interface.id.clone()));
    for private_ip in known.chain(seen).collect::<BTreeSet<_>>() {
        let attribute = Attribute::ElasticAddress(interface.id.clone(), private_ip.clone());
        let held = interface.elastic.get(private_ip);
        let (none, current) = (elastic_value(None), elastic_value(held.map(|held| &held.allocation)));
        let was_there = view.record.baseline.get(&attribute) == Some(&current);
        let foreign = looked_at && !was_there && !view.record.holds(&attribute);
        if foreign {
            let known = view.record.baseline.get(&attribute) == Some(&none);
            let baseline = Fact::Baseline { attribute: attribute.clone(), value: none };
            work.facts.extend((!known).then_some(baseline));
            work.facts.push(Fact::Drift { attribute, foreign: current });
        } else {
            work.facts.extend(attribute::hold(view.record, &attribute, &none, &current).facts);
        }
        if let Some(held) = held {
            let (interface, private_ip) = (interface.id.clone(), private_ip.clone());
            let association = held.association.clone();
            let whose = if foreign { ", which somebody associated while the host was held" } else { "" };
            work.send(
                format!("takes the elastic address {} from {interface}{whose}", held.public_ip),
                NetworkChange::DisassociateAddress { interface, private_ip, association },
            );
        }
    }
    automatic(view, interface, work);
}

fn automatic(view: &View<'_, Quarantine>, interface: &Interface, work: &mut Work) {
    let (record, attribute) = (view.record, Attribute::AutomaticAddress(interface.id.clone()));
    let ours = record.applied.contains_key(&attribute);
    if !(ours || is_declared(view)) {
        return;
    }
    if had_elastic(view, interface) && !ours && interface.automatic.is_some() {
        // It came in place of the elastic one, which is AWS's own doing: before us there was none.
        let none = Value::Flag(false);
        if record.baseline.get(&attribute) != Some(&none) {
            work.facts.push(Fact::Baseline { attribute, value: none });
        }
    } else {
        let current = Value::Flag(interface.automatic.is_some());
        work.facts.extend(attribute::hold(record, &attribute, &Value::Flag(false), &current).facts);
    }
    if let Some(address) = &interface.automatic {
        let interface = interface.id.clone();
        work.send(
            format!("takes the automatic address {address} from {interface}"),
            NetworkChange::AssociatePublicIpAddress { interface, enabled: false },
        );
    }
}

/// What becomes of an elastic address at release.
pub(super) enum Back {
    /// This is to be sent.
    Send(Effect),
    /// Nobody can give it back: what stands there.
    Left(Value),
    /// It is associated with this interface already, and the interface does not show it yet.
    Wait,
    /// It was not asked where the address is.
    Unread,
}

/// An elastic address is given back where it is free.
pub(super) fn give_back(view: &View<'_, Quarantine>, interface: &Interface, private_ip: &str, value: &Value) -> Back {
    let Value::Set(allocations) = value else { return Back::Left(elastic_value(None)) };
    let Some(allocation) = allocations.first().and_then(|id| AllocationId::parse(id).ok()) else {
        return Back::Left(elastic_value(None));
    };
    let Some(addresses) = view.seen.addresses.value() else { return Back::Unread };
    let id = &interface.id;
    if !interface.private_ips.iter().any(|known| known == private_ip) {
        return Back::Left(Value::Text(format!("{private_ip} is no address of {id} any more")));
    }
    // Somebody gave it back elsewhere, or it was taken from two addresses in turn.
    if let Some((other, _)) = interface.elastic.iter().find(|(_, held)| held.allocation == allocation) {
        return Back::Left(Value::Text(format!("{allocation} is associated with {other} of {id}")));
    }
    match addresses.get(&allocation) {
        None => Back::Left(Value::Text(format!("{allocation} is gone"))),
        Some(None) => Back::Send(Effect::Network(NetworkChange::AssociateAddress {
            interface: interface.id.clone(),
            private_ip: private_ip.to_owned(),
            allocation,
        })),
        Some(Some(holder)) if holder == interface.id.as_str() => Back::Wait,
        Some(Some(holder)) => Back::Left(Value::Text(format!("{allocation} is associated with {holder}"))),
    }
}

/// What a plan says of them.
pub(super) fn preview(view: &View<'_, Quarantine>) -> Vec<String> {
    if !is_declared(view) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for interface in view.seen.interfaces.value().into_iter().flatten() {
        let id = &interface.id;
        lines.extend(interface.elastic.values().map(|held| {
            format!(
                "take the elastic address {} ({}) from {id}; a release associates it again if nobody took it meanwhile",
                held.public_ip, held.allocation
            )
        }));
        lines.extend(interface.automatic.iter().map(|address| {
            format!(
                "take the automatic public address {address} from {id}, which can't be undone: AWS keeps it, and a release gets \
                 another one"
            )
        }));
        let others = interface.public_ips.iter().filter(|address| {
            let elastic = interface.elastic.values().any(|held| held.public_ip == **address);
            !elastic && interface.automatic.as_ref() != Some(address)
        });
        lines.extend(others.map(|address| format!("leave {address} of {id}: it is neither elastic nor automatic")));
    }
    lines
}

#[cfg(test)]
#[path = "public_addresses_tests.rs"]
mod tests;
