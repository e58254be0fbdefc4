//! Changes of the credentials that a host has: what its sessions are denied, its metadata service, its instance profile.

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::credentials::profile_value;
use super::record::Record;
use super::role_policy::{Denied, InlinePolicy};
use crate::api::ids::InstanceId;

/// One change of the credentials of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "camelCase")]
pub enum CredentialChange {
    /// IAM `PutRolePolicy`: what one host is denied, in a document that is about others too. It is read first, and what it
    /// says of others stays.
    PutRolePolicy {
        /// The policy.
        policy: InlinePolicy,
        /// Id of the role.
        role_id: String,
        /// The instance.
        instance: InstanceId,
        /// What is denied for it from then on.
        denied: Denied,
    },
    /// IAM `DeleteRolePolicy`, or `PutRolePolicy` where the document is about others too: the host leaves it.
    DeleteRolePolicy {
        /// The policy.
        policy: InlinePolicy,
        /// Id of the role.
        role_id: String,
        /// The instance.
        instance: InstanceId,
    },
    /// EC2 `ModifyInstanceMetadataOptions`, the endpoint alone: what is not named stays as it is.
    ModifyInstanceMetadataOptions {
        /// The instance.
        instance: InstanceId,
        /// Whether the metadata service answers.
        enabled: bool,
    },
    /// EC2 `DisassociateIamInstanceProfile`.
    DisassociateIamInstanceProfile {
        /// The instance.
        instance: InstanceId,
        /// The association.
        association: String,
    },
    /// EC2 `AssociateIamInstanceProfile`: refused where the instance has one.
    AssociateIamInstanceProfile {
        /// The instance.
        instance: InstanceId,
        /// ARN of the instance profile.
        profile: String,
    },
}

impl CredentialChange {
    /// The API operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::PutRolePolicy { .. } => "PutRolePolicy",
            Self::DeleteRolePolicy { .. } => "DeleteRolePolicy",
            Self::ModifyInstanceMetadataOptions { .. } => "ModifyInstanceMetadataOptions",
            Self::DisassociateIamInstanceProfile { .. } => "DisassociateIamInstanceProfile",
            Self::AssociateIamInstanceProfile { .. } => "AssociateIamInstanceProfile",
        }
    }

    /// The IAM actions that AWS checks (Service Authorization Reference, actions of IAM and EC2): of what reads a document
    /// before it writes it, both; and the right to give an instance a role.
    pub const fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::PutRolePolicy { .. } => &["iam:GetRolePolicy", "iam:PutRolePolicy"],
            Self::DeleteRolePolicy { .. } => &["iam:DeleteRolePolicy", "iam:GetRolePolicy", "iam:PutRolePolicy"],
            Self::ModifyInstanceMetadataOptions { .. } => &["ec2:ModifyInstanceMetadataOptions"],
            Self::DisassociateIamInstanceProfile { .. } => &["ec2:DisassociateIamInstanceProfile"],
            Self::AssociateIamInstanceProfile { .. } => &["ec2:AssociateIamInstanceProfile", "iam:PassRole"],
        }
    }

    /// Whether it is about sessions of other hosts too, beyond what the chain says was set already.
    pub fn reaches_others(&self, record: &Record) -> bool {
        let Self::PutRolePolicy { policy, denied: Denied { issued_before: Some(time), .. }, .. } = self else {
            return false;
        };
        let applied = record.applied.get(&Attribute::Sessions(policy.clone()));
        applied.and_then(|applied| Denied::of_value(&applied.value)).and_then(|denied| denied.issued_before)
            != Some(*time)
    }

    /// The attribute that it sets, and to which value.
    pub fn sets(&self) -> (Attribute, Value) {
        match self {
            Self::PutRolePolicy { policy, denied, .. } => (Attribute::Sessions(policy.clone()), denied.as_value()),
            Self::DeleteRolePolicy { policy, .. } => {
                (Attribute::Sessions(policy.clone()), Denied::default().as_value())
            }
            Self::ModifyInstanceMetadataOptions { enabled, .. } => (Attribute::MetadataService, Value::Flag(*enabled)),
            Self::DisassociateIamInstanceProfile { .. } => (Attribute::InstanceProfile, profile_value(None)),
            Self::AssociateIamInstanceProfile { profile, .. } => {
                (Attribute::InstanceProfile, profile_value(Some(profile)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::effect::Effect;
    use crate::playbook::role_policy::Scope;
    use crate::playbook::sample;

    #[test]
    fn a_chain_says_the_name_of_the_call() {
        let change = CredentialChange::PutRolePolicy {
            policy: sample::inline_policy(),
            role_id: sample::ROLE_ID.to_owned(),
            instance: sample::instance_id(),
            denied: Denied { scope: Scope::All, issued_before: None },
        };
        let effect = Effect::Credentials(change);
        let said = serde_json::to_value(&effect).unwrap();
        let expected = serde_json::json!({
            "operation": "PutRolePolicy", "policy": {"role": "web", "name": "baseline-c"}, "roleId": sample::ROLE_ID,
            "instance": "i-00000001", "denied": {"scope": "all"},
        });
        assert_eq!(said, expected);
        assert_eq!(serde_json::from_value::<Effect>(said).unwrap(), effect);
    }
}
