//! What is seen of the credentials that a host has by its instance profile.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::record::Record;
use super::role_policy::{CHARACTERS, Denied, InlinePolicy, RolePolicy};
use crate::api::ids::{InstanceId, RoleName};

/// Credentials of a host, and the roles that the chain knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The role of its instance profile; none where it has no profile, or one without a role.
    pub current: Option<RoleName>,
    /// Roles, each with our policy; none for one that is gone.
    pub roles: BTreeMap<InlinePolicy, Option<Role>>,
    /// The association of the host with its instance profile.
    pub association: Option<Association>,
    /// Other instances of this instance profile in the Region, where they were asked for.
    pub siblings: Option<BTreeSet<InstanceId>>,
}

/// A role as seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// Its id, of which the user ids of its sessions are made.
    pub id: String,
    /// Whether AWS keeps it for one of its services.
    pub service_linked: bool,
    /// Our policy: an empty one where there is none; nothing where one of that name is not of our form.
    pub policy: Option<RolePolicy>,
    /// Characters of its other inline policies; asked for as long as the host is not in ours.
    pub others: Option<usize>,
}

impl Role {
    /// How many characters too many its inline policies would have, if ours said this of an instance.
    pub fn beyond(&self, instance: &InstanceId, denied: Denied) -> Option<(usize, usize)> {
        let ours = self.policy.as_ref()?.with(instance, denied).characters(&self.id);
        let others = self.others?;
        (ours + others > CHARACTERS).then_some((ours, others))
    }
}

/// An instance profile on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Association {
    /// Its id.
    pub id: String,
    /// ARN of the instance profile.
    pub profile: String,
}

/// How an instance's metadata service answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataOptions {
    /// Whether it answers at all.
    pub enabled: bool,
    /// A change of these options is accepted, and the instance does not follow it yet.
    pub pending: bool,
    /// The other options, as AWS spells them.
    pub others: BTreeMap<String, String>,
}

/// The instance profiles that a host has, as the value of an attribute: one or none.
pub fn profile_value(profile: Option<&str>) -> Value {
    Value::Set(profile.into_iter().map(ToOwned::to_owned).collect())
}

/// Policies of roles in which the chain says that the host is, and which are not given back.
pub fn denied_by(record: &Record) -> impl Iterator<Item = &InlinePolicy> {
    record.applied.keys().filter(|attribute| !record.given_back.contains_key(*attribute)).filter_map(|attribute| {
        match attribute {
            Attribute::Sessions(policy) => Some(policy),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::role_policy::Scope;
    use crate::playbook::sample;

    #[test]
    fn what_passes_the_limit_is_told_in_numbers() {
        let all = Denied { scope: Scope::All, issued_before: None };
        let policy = RolePolicy::default().with(&sample::instance_id(), all);
        let ours = policy.characters(sample::ROLE_ID);
        let mut role = Role {
            id: sample::ROLE_ID.to_owned(),
            service_linked: false,
            policy: Some(RolePolicy::default()),
            others: Some(CHARACTERS - ours),
        };
        assert_eq!(role.beyond(&sample::instance_id(), all), None);
        role.others = Some(CHARACTERS - ours + 1);
        assert_eq!(role.beyond(&sample::instance_id(), all), Some((ours, CHARACTERS - ours + 1)));
        role.others = None;
        assert_eq!(role.beyond(&sample::instance_id(), all), None, "not asked for");
    }
}
