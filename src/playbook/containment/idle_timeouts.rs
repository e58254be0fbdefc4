//! The half of `cut_flows` that lets AWS forget tracked connections as soon as it can.
//!
//! A tracked connection outlives the change of groups until nothing goes on there for its idle timeout, five days for TCP
//! where nothing else is said. AWS takes one minute at the least (EC2 guide, connection tracking), on Nitro instances alone:
//! where it refuses, that is said, and not tried again.

use super::cut_flows::{NAME, Work};
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute};
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
    work.facts.extend(held.facts);
    if !held.in_place {
        let interface = interface.id.clone();
        work.send(
            format!("shortens the idle timeouts of {interface}"),
            NetworkChange::SetIdleTimeouts { interface, timeouts: wish },
        );
    }
}

fn refused<'a>(view: &View<'a, Quarantine>, interface: &Interface) -> Option<&'a String> {
    view.record.given_up.get(&format!("{NAME}/{}", interface.id))
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
