//! The half of `cut_flows` that lets AWS forget tracked connections as soon as it can.
//!
//! A tracked connection outlives the change of groups until nothing goes on there for its idle timeout, five days for TCP
//! where nothing else is said. AWS takes one minute at the least (EC2 guide, connection tracking), on Nitro instances alone:
//! where it refuses, that is said, and not tried again. AWS has no call that unsets one: what was unset is set to what AWS
//! documents for most types of instance at release, and reported as left.

use super::cut_flows::{NAME, Work};
use crate::api::ids::InterfaceId;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Value};
use crate::playbook::interface::IdleTimeouts;
use crate::playbook::network_change::NetworkChange;
use crate::playbook::seen::Interface;
use crate::playbook::step::View;

/// Shortens what is seen to be longer.
pub(super) fn shorten(view: &View<'_, Quarantine>, interface: &Interface, work: &mut Work) {
    let Some(current) = interface.idle_timeouts else { return };
    if let Some(code) = refused(view, interface) {
        work.said.push(format!("AWS refuses other idle timeouts for {} ({code})", interface.id));
        return;
    }
    let attribute = Attribute::IdleTimeouts(interface.id.clone());
    let wish = IdleTimeouts::SHORTEST;
    let held = attribute::hold(view.record, &attribute, &wish.as_value(), &current.as_value());
    // The same call closes a host: what only shortens comes after every host of the incident is closed, as the pulse does.
    let first = !view.record.applied.contains_key(&attribute);
    if !held.in_place && first && view.seen.siblings_open > 0 && is_fresh(view) {
        let open = view.seen.siblings_open;
        work.waits = Some(format!("shortens idle timeouts once {open} other hosts of the case are closed"));
        return;
    }
    work.facts.extend(held.facts);
    if !held.in_place {
        let interface = interface.id.clone();
        work.send(
            format!("shortens the idle timeouts of {interface}"),
            NetworkChange::SetIdleTimeouts { interface, timeouts: wish },
        );
    }
}

/// Whether others may still be on their way to be closed: who waits for a person takes no calls, however long that lasts.
fn is_fresh(view: &View<'_, Quarantine>) -> bool {
    const SECONDS: i64 = 600;
    view.record.contained_at.is_none_or(|at| view.now.as_second() - at.as_second() < SECONDS)
}

fn refused<'a>(view: &View<'a, Quarantine>, interface: &Interface) -> Option<&'a String> {
    view.record.given_up.get(&format!("{NAME}/{}", interface.id))
}

/// What a plan to release a host says of an interface.
pub(super) fn given_back(interface: &InterfaceId, value: &Value) -> String {
    let unset = IdleTimeouts::of_value(value).filter(|was| was.settable() != *was);
    match unset {
        None => format!("set the idle timeouts of {interface} back to {value}, if ours still stand"),
        Some(was) => format!(
            "set the idle timeouts of {interface} to {}, if ours still stand: they were {was}, and AWS has no call that unsets one; \
             where they were unset, Nitro v6 has TCP 350 s",
            was.settable()
        ),
    }
}

/// What a plan says of them.
pub(super) fn preview(view: &View<'_, Quarantine>) -> Option<String> {
    let interfaces = view.seen.interfaces.value().into_iter().flatten();
    let longer = interfaces.filter(|interface| interface.idle_timeouts.is_some_and(|of| of != IdleTimeouts::SHORTEST));
    let count = longer.count();
    (count > 0).then(|| {
        format!(
            "shorten the idle timeouts of tracked connections on {count} interfaces to {}, until it is given back",
            IdleTimeouts::SHORTEST
        )
    })
}
