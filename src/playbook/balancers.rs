//! Load balancers as they are seen around a host, and the registrations that row C4 takes back.
//!
//! A target group knows a host by its instance id or by its addresses, once for each port; a classic load balancer knows
//! it by its instance id (Elastic Load Balancing references, `TargetDescription` and `Instance`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::attribute::Value;
use super::seen::TargetRegistration;
use crate::api::ids::{InstanceId, LoadBalancerName, TargetGroupArn};

/// One registration with a target group: all that AWS takes to undo it, and to do it again exactly. Written as words:
/// `10.0.0.5 80 eu-west-1a`, with `-` for what AWS showed none of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Target {
    /// The instance id, or an address.
    pub id: String,
    /// The port.
    pub port: Option<u16>,
    /// The Availability Zone of an address, or `all`.
    pub zone: Option<String>,
    /// The server id that a QUIC target has.
    pub server_id: Option<String>,
}

impl Target {
    /// Whether it is an instance and no address.
    pub fn is_instance(&self) -> bool {
        InstanceId::parse(&self.id).is_ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map(|port| port.to_string());
        let mut words = vec![Some(self.id.as_str()), port.as_deref(), self.zone.as_deref(), self.server_id.as_deref()];
        while words.last() == Some(&None) {
            words.pop();
        }
        let words: Vec<&str> = words.into_iter().map(|word| word.unwrap_or("-")).collect();
        f.write_str(&words.join(" "))
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// A text that names no registration.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no target: an id or address, a port, a zone and a server id are expected, with - for none")]
pub struct NoTarget(String);

impl TryFrom<String> for Target {
    type Error = NoTarget;

    fn try_from(text: String) -> Result<Self, NoTarget> {
        text.parse()
    }
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let no_target = || NoTarget(text.chars().take(128).collect());
        let mut words = text.split(' ').map(|word| Some(word).filter(|word| *word != "-"));
        let id = words.next().flatten().filter(|id| !id.is_empty()).ok_or_else(no_target)?.to_owned();
        let port = words.next().flatten().map(str::parse).transpose().map_err(|_| no_target())?;
        let mut word = || words.next().flatten().filter(|word| !word.is_empty()).map(ToOwned::to_owned);
        let target = Self { id, port, zone: word(), server_id: word() };
        if words.next().is_some() { Err(no_target()) } else { Ok(target) }
    }
}

/// Registrations as the value of an attribute.
pub fn as_value<'a>(targets: impl IntoIterator<Item = &'a Target>) -> Value {
    Value::Set(targets.into_iter().map(ToString::to_string).collect())
}

/// The registrations that a value says.
pub fn targets_of(value: &Value) -> BTreeSet<Target> {
    match value {
        Value::Set(targets) => targets.iter().filter_map(|target| target.parse().ok()).collect(),
        Value::Flag(_) | Value::Text(_) => BTreeSet::new(),
    }
}

/// How well what is behind a balancer is: shown to people, and no decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Health {
    /// Healthy ones without the host.
    pub healthy_left: usize,
    /// All that are registered, the host included.
    pub all: usize,
}

/// A target group that has the host registered, has it draining, or had it when we came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TargetGroup {
    /// Registrations of the host that stand.
    pub registered: BTreeSet<Target>,
    /// Registrations that AWS has taken back, and whose connections it lets end.
    pub draining: BTreeSet<Target>,
    /// Addresses that are the host's, and as well those of another host: which one is meant can't be seen.
    pub unclear: BTreeSet<String>,
    /// Load balancers that send to it.
    pub load_balancers: Vec<String>,
    /// What is behind it.
    pub health: Health,
}

/// A classic load balancer that has the host registered, or had it when we came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassicLoadBalancer {
    /// Whether it has the host.
    pub registered: bool,
    /// Whether it has the host no more, and lets its connections end.
    pub draining: bool,
    /// What is behind it; none where they were not asked for.
    pub health: Option<Health>,
}

/// What stands around the host; none for what is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balancers {
    /// Target groups.
    pub groups: BTreeMap<TargetGroupArn, Option<TargetGroup>>,
    /// Classic load balancers.
    pub classic: BTreeMap<LoadBalancerName, Option<ClassicLoadBalancer>>,
    /// Whether every balancer of the account and Region was looked at, and not only those that are known.
    pub whole: bool,
}

impl Balancers {
    /// Names of the classic load balancers that have the host: for its description.
    pub fn classic_names(&self) -> Vec<String> {
        let has = self.classic.iter().filter(|(_, found)| found.is_some_and(|balancer| balancer.registered));
        has.map(|(name, _)| name.to_string()).collect()
    }

    /// The host's registrations with target groups: for its description.
    pub fn registrations(&self) -> Vec<TargetRegistration> {
        let groups = self.groups.iter().filter_map(|(arn, group)| Some((arn, group.as_ref()?)));
        let each = groups.flat_map(|(arn, group)| group.registered.iter().map(move |target| (arn, target)));
        let described = each.map(|(arn, target)| TargetRegistration {
            target_group: arn.to_string(),
            target: target.id.clone(),
            port: target.port.map(i32::from),
            zone: target.zone.clone(),
        });
        described.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_and_read_as_words() {
        let table = [
            ("i-0123456789abcdef0 80", Some(80), None, None),
            ("10.0.0.5 8080 eu-west-1a", Some(8080), Some("eu-west-1a"), None),
            ("2001:db8::5 443 all", Some(443), Some("all"), None),
            ("10.0.0.5 443 - 0x0123456789abcdef", Some(443), None, Some("0x0123456789abcdef")),
            ("10.0.0.5", None, None, None),
        ];
        for (text, port, zone, server) in table {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (target.port, target.zone.as_deref(), target.server_id.as_deref()),
                (port, zone, server),
                "{text}"
            );
            assert_eq!(target.to_string(), text);
            assert_eq!(serde_json::from_str::<Target>(&serde_json::to_string(&target).unwrap()).unwrap(), target);
        }
        for text in ["", "-", "10.0.0.5 http", "10.0.0.5 65536", "10.0.0.5 80 a b c"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
