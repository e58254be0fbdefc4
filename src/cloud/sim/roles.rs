//! Roles, instance profiles and metadata services of the in-memory AWS.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Done, Refuser};
use super::world::World;
use crate::api::ids::{InstanceId, RoleName};
use crate::cloud::AskCredentials;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::credential_change::CredentialChange;
use crate::playbook::credentials::{Association, Credentials, Role};
use crate::playbook::role_policy::{CHARACTERS, Denied, InlinePolicy, RolePolicy};

/// A role that stands behind instance profiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SimRole {
    /// Its id.
    pub id: String,
    /// Whether AWS keeps it for one of its services.
    pub service_linked: bool,
    /// Inline policies of our form, by name; none for one of that name that is not.
    pub policies: BTreeMap<String, Option<RolePolicy>>,
    /// Characters of all others.
    pub others: usize,
}

impl World {
    /// Adds a role, and an instance profile of its own for it.
    #[must_use]
    pub fn with_role(mut self, name: &RoleName, id: &str, profile: &str) -> Self {
        let role = SimRole { id: id.to_owned(), service_linked: false, policies: BTreeMap::new(), others: 0 };
        self.roles.insert(name.clone(), role);
        self.profiles.insert(profile.to_owned(), name.clone());
        self
    }

    /// What a policy of a role denies for an instance; none where it is not of our form.
    pub fn denied(&self, instance: &InstanceId, policy: &InlinePolicy) -> Option<Denied> {
        match self.roles.get(&policy.role)?.policies.get(&policy.name) {
            None => Some(Denied::default()),
            Some(document) => document.as_ref().map(|document| document.of(instance)),
        }
    }

    fn profile_of(&self, instance: &InstanceId) -> Option<&String> {
        self.instances.get(instance)?.instance.profile.as_ref()
    }

    /// What a look at the credentials of a host shows.
    pub(super) fn see_credentials(&self, instance: &InstanceId, ask: &AskCredentials) -> Credentials {
        let profile = self.profile_of(instance);
        let current = profile.and_then(|profile| self.profiles.get(profile)).cloned();
        let mut policies = ask.known.clone();
        policies.extend(current.as_ref().map(|role| ask.policy_of(role)));
        let seen = |policy: InlinePolicy| {
            let role = self.roles.get(&policy.role).map(|role| {
                let ours = role.policies.get(&policy.name).cloned().unwrap_or_else(|| Some(RolePolicy::default()));
                let lacks = ours.as_ref().is_some_and(|ours| ours.of(instance) == Denied::default());
                let others = lacks.then_some(role.others);
                Role { id: role.id.clone(), service_linked: role.service_linked, policy: ours, others }
            });
            (policy, role)
        };
        let association = profile.filter(|_| ask.association).map(|profile| Association {
            id: format!("iip-assoc-{}", instance.as_str().trim_start_matches("i-")),
            profile: profile.clone(),
        });
        let others = self.instances.values().map(|host| &host.instance);
        let siblings: BTreeSet<InstanceId> = others
            .filter(|other| other.id != *instance && profile.is_some() && other.profile.as_ref() == profile)
            .map(|other| other.id.clone())
            .collect();
        Credentials {
            current,
            roles: policies.into_iter().map(seen).collect(),
            association,
            siblings: ask.siblings.then_some(siblings),
        }
    }

    /// Makes one change of credentials, or refuses it.
    pub(super) fn change_credentials(&mut self, refuse: &Refuser, change: &CredentialChange) -> Done {
        match change {
            CredentialChange::PutRolePolicy { policy, instance, denied, .. } => {
                self.write_policy(refuse, policy, instance, *denied)?;
            }
            CredentialChange::DeleteRolePolicy { policy, instance, .. } => {
                self.write_policy(refuse, policy, instance, Denied::default())?;
            }
            CredentialChange::ModifyInstanceMetadataOptions { instance, enabled } => {
                if let Some(options) = &mut self.host(refuse, instance)?.instance.metadata {
                    options.enabled = *enabled;
                }
            }
            CredentialChange::DisassociateIamInstanceProfile { instance, .. } => {
                self.host(refuse, instance)?.instance.profile = None;
            }
            CredentialChange::AssociateIamInstanceProfile { instance, profile } => {
                let host = self.host(refuse, instance)?;
                if host.instance.profile.is_some() {
                    return Err(refuse.conflict("IncorrectState"));
                }
                host.instance.profile = Some(profile.clone());
            }
        }
        Ok(Vec::new())
    }

    /// Read and written at once, as the adapter does under its lock.
    fn write_policy(
        &mut self,
        refuse: &Refuser,
        policy: &InlinePolicy,
        instance: &InstanceId,
        denied: Denied,
    ) -> Result<(), CloudError> {
        let role = self.roles.get_mut(&policy.role).ok_or_else(|| refuse.conflict("NoSuchEntity"))?;
        if role.service_linked {
            return Err(refuse.invalid("UnmodifiableEntity", "only its service changes it"));
        }
        let standing = role.policies.get(&policy.name).cloned().unwrap_or_else(|| Some(RolePolicy::default()));
        let standing = standing.ok_or_else(|| refuse.invalid("NotOurPolicy", "not of our form"))?;
        let written = standing.with(instance, denied);
        if written.characters(&role.id) + role.others > CHARACTERS {
            return Err(refuse.because(ErrorClass::Quota, "LimitExceeded", "Maximum policy size exceeded"));
        }
        if written.is_empty() {
            role.policies.remove(&policy.name);
        } else {
            role.policies.insert(policy.name.clone(), Some(written));
        }
        Ok(())
    }
}
