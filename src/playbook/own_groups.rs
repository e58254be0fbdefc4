//! Groups of ours, as the chain knows them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::effect::Effect;
use super::record::{Applied, OperationId, OutcomeKind, Record};
use crate::api::ids::{SecurityGroupId, VpcId};

/// The two groups we make in a VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupRole {
    /// Without any rule.
    Closed,
    /// All traffic both ways: for the pulse alone.
    Open,
}

/// Key of a group of ours in [`Record::groups`].
pub fn group_key(vpc: &VpcId, role: GroupRole) -> String {
    match role {
        GroupRole::Closed => format!("{vpc}/closed"),
        GroupRole::Open => format!("{vpc}/open"),
    }
}

impl Record {
    /// The intent that made a group.
    pub fn made(&self, group: &SecurityGroupId) -> Option<&OperationId> {
        let is_it = |effect: &Effect| match effect {
            Effect::CreateSecurityGroup { vpc, role, .. } => self.group(vpc, *role) == Some(group),
            _ => false,
        };
        let stood = |outcome| matches!(outcome, Some(OutcomeKind::Done | OutcomeKind::Adopted));
        self.operations.iter().find(|(_, made)| stood(made.outcome) && is_it(&made.effect)).map(|(id, _)| id)
    }

    /// The intent that closed an interface with a group.
    pub fn closed_with(&self, group: &SecurityGroupId) -> Option<&OperationId> {
        let alone = Value::Set(BTreeSet::from([group.to_string()]));
        let closes = |(of, set): &(&Attribute, &Applied)| matches!(of, Attribute::Groups(_)) && set.value == alone;
        self.applied.iter().find(closes).map(|(_, set)| &set.operation)
    }

    /// A group of ours that the chain says was made or adopted.
    pub fn group(&self, vpc: &VpcId, role: GroupRole) -> Option<&SecurityGroupId> {
        self.groups.get(&group_key(vpc, role))
    }
}
