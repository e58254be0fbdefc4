//! What of a host goes into its record, so that the record can be written.
//!
//! Tags, addresses and registrations are as many and as long as somebody made them, who may be the intruder. A fact larger
//! than a record would stop every turn that has to write it first. So each list has a number of bytes: what comes first is
//! kept as it is, and of the rest its count and its digest.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::playbook::chain::digest_of;
use crate::playbook::record::{Fact, LeftOut};
use crate::playbook::room::size;
use crate::playbook::seen::{Instance, Interface, Surroundings};

/// Bytes for the tags: 50 of them, in characters of four bytes each, would take 76 KiB.
const TAGS: usize = 12 * 1024;

/// Bytes for the volumes: 128 with device names of the usual length fit.
const VOLUMES: usize = 16 * 1024;

/// Bytes for the interfaces, which may have 50 addresses each of both families.
const INTERFACES: usize = 20 * 1024;

/// Bytes for the classic load balancers.
const BALANCERS: usize = 8 * 1024;

/// Bytes for the registrations in target groups: about 190 each.
const REGISTRATIONS: usize = 32 * 1024;

/// What is left out, by the name of the list.
type Rest = BTreeMap<String, LeftOut>;

/// Row D7, what the host is.
pub fn metadata(mut instance: Instance, interfaces: &[Interface]) -> Fact {
    let mut left_out = Rest::new();
    instance.tags = first(std::mem::take(&mut instance.tags), TAGS, "tags", &mut left_out);
    instance.volumes = first(std::mem::take(&mut instance.volumes), VOLUMES, "volumes", &mut left_out);
    let interfaces = first(interfaces.to_vec(), INTERFACES, "interfaces", &mut left_out);
    Fact::Metadata { instance: Box::new(instance), interfaces, left_out }
}

/// Row D7, what is around it.
pub fn surroundings(mut found: Surroundings) -> Fact {
    let mut left_out = Rest::new();
    let balancers = std::mem::take(&mut found.classic_load_balancers);
    found.classic_load_balancers = first(balancers, BALANCERS, "classicLoadBalancers", &mut left_out);
    let groups = std::mem::take(&mut found.target_groups);
    found.target_groups = first(groups, REGISTRATIONS, "targetGroups", &mut left_out);
    Fact::Surroundings { surroundings: Box::new(found), left_out }
}

/// The first of a list that fit into so many bytes.
fn first<T: Serialize, L: IntoIterator<Item = T> + FromIterator<T>>(
    list: L,
    most: usize,
    name: &str,
    left_out: &mut Rest,
) -> L {
    let mut left = most;
    let (mut kept, mut rest) = (Vec::new(), Vec::new());
    for thing in list {
        match left.checked_sub(size(&thing)).filter(|_| rest.is_empty()) {
            Some(less) => {
                left = less;
                kept.push(thing);
            }
            None => rest.push(thing),
        }
    }
    if !rest.is_empty() {
        left_out.insert(name.to_owned(), LeftOut { count: rest.len() as u64, digest: digest_of(&rest) });
    }
    kept.into_iter().collect()
}
