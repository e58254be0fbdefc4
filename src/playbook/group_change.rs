//! Changes of an Auto Scaling group and of a host's place in it. None of these calls has a client token.

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::auto_scaling::{membership_value, size_value};
use crate::api::ids::InstanceId;

/// One change of a group or of a place in it, named as AWS names the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "camelCase")]
pub enum GroupChange {
    /// Auto Scaling `SetInstanceProtection`: an absolute set.
    SetInstanceProtection {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
        /// Whether scale-in spares it.
        enabled: bool,
    },
    /// Auto Scaling `EnterStandby`: a repeat is refused for the state, unless somebody ended Standby in between.
    EnterStandby {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
        /// Whether the desired capacity falls by one; else another instance is launched in its place.
        decrement: bool,
    },
    /// Auto Scaling `ExitStandby`: the desired capacity rises by one.
    ExitStandby {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
    },
    /// Auto Scaling `DetachInstances`.
    DetachInstances {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
        /// Whether the desired capacity falls by one.
        decrement: bool,
    },
    /// Auto Scaling `AttachInstances`: the desired capacity rises by one.
    AttachInstances {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
    },
    /// Auto Scaling `UpdateAutoScalingGroup`, the minimum size alone: an absolute set.
    UpdateAutoScalingGroup {
        /// The group.
        group: String,
        /// Its minimum size from then on.
        min_size: i32,
    },
    /// Auto Scaling `SetDesiredCapacity`: an absolute set.
    SetDesiredCapacity {
        /// The group.
        group: String,
        /// Its desired capacity from then on.
        desired: i32,
    },
    /// Auto Scaling `RecordLifecycleActionHeartbeat`: the hook waits for its whole time-out anew.
    RecordLifecycleActionHeartbeat {
        /// The group.
        group: String,
        /// The instance.
        instance: InstanceId,
        /// The lifecycle hook.
        hook: String,
    },
}

impl GroupChange {
    /// The API operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::SetInstanceProtection { .. } => "SetInstanceProtection",
            Self::EnterStandby { .. } => "EnterStandby",
            Self::ExitStandby { .. } => "ExitStandby",
            Self::DetachInstances { .. } => "DetachInstances",
            Self::AttachInstances { .. } => "AttachInstances",
            Self::UpdateAutoScalingGroup { .. } => "UpdateAutoScalingGroup",
            Self::SetDesiredCapacity { .. } => "SetDesiredCapacity",
            Self::RecordLifecycleActionHeartbeat { .. } => "RecordLifecycleActionHeartbeat",
        }
    }

    /// The IAM action that AWS checks (Service Authorization Reference, actions of EC2 Auto Scaling). Load balancers of the
    /// group follow under its service-linked role.
    pub const fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::SetInstanceProtection { .. } => &["autoscaling:SetInstanceProtection"],
            Self::EnterStandby { .. } => &["autoscaling:EnterStandby"],
            Self::ExitStandby { .. } => &["autoscaling:ExitStandby"],
            Self::DetachInstances { .. } => &["autoscaling:DetachInstances"],
            Self::AttachInstances { .. } => &["autoscaling:AttachInstances"],
            Self::UpdateAutoScalingGroup { .. } => &["autoscaling:UpdateAutoScalingGroup"],
            Self::SetDesiredCapacity { .. } => &["autoscaling:SetDesiredCapacity"],
            Self::RecordLifecycleActionHeartbeat { .. } => &["autoscaling:RecordLifecycleActionHeartbeat"],
        }
    }

    /// Whether a blind resend does no harm: those that move the host change the desired capacity by one each time.
    pub const fn is_idempotent(&self) -> bool {
        !(self.enters_standby() || self.exits_standby() || self.detaches() || self.attaches())
    }

    /// Puts the host into Standby.
    pub const fn enters_standby(&self) -> bool {
        matches!(self, Self::EnterStandby { .. })
    }

    /// Takes it out of Standby.
    pub const fn exits_standby(&self) -> bool {
        matches!(self, Self::ExitStandby { .. })
    }

    /// Takes it out of the group.
    pub const fn detaches(&self) -> bool {
        matches!(self, Self::DetachInstances { .. })
    }

    /// Takes it into the group.
    pub const fn attaches(&self) -> bool {
        matches!(self, Self::AttachInstances { .. })
    }

    /// The attribute that it sets, and to which value.
    pub fn sets(&self) -> Option<(Attribute, Value)> {
        Some(match self {
            Self::SetInstanceProtection { enabled, .. } => (Attribute::ScaleInProtection, Value::Flag(*enabled)),
            Self::EnterStandby { .. } => (Attribute::LifecycleState, Value::Text("Standby".to_owned())),
            Self::ExitStandby { .. } => (Attribute::LifecycleState, Value::Text("InService".to_owned())),
            Self::DetachInstances { .. } => (Attribute::AutoScalingGroup, membership_value(None)),
            Self::AttachInstances { group, .. } => (Attribute::AutoScalingGroup, membership_value(Some(group))),
            Self::UpdateAutoScalingGroup { group, min_size } => {
                (Attribute::MinSize(group.clone()), size_value(*min_size))
            }
            Self::SetDesiredCapacity { group, desired } => {
                (Attribute::DesiredCapacity(group.clone()), size_value(*desired))
            }
            Self::RecordLifecycleActionHeartbeat { .. } => return None,
        })
    }

    /// Whether another instance takes the host's place; none for what decides nothing of it.
    pub const fn replaces(&self) -> Option<bool> {
        match self {
            Self::EnterStandby { decrement, .. } | Self::DetachInstances { decrement, .. } => Some(!*decrement),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::effect::Effect;

    #[test]
    fn a_chain_says_the_name_of_the_call() {
        let change = GroupChange::EnterStandby {
            group: "web".to_owned(),
            instance: InstanceId::parse("i-00000001").unwrap(),
            decrement: true,
        };
        let effect = Effect::AutoScaling(change);
        let said = serde_json::to_value(&effect).unwrap();
        let expected = serde_json::json!(
            {"operation": "EnterStandby", "group": "web", "instance": "i-00000001", "decrement": true});
        assert_eq!(said, expected);
        assert_eq!(serde_json::from_value::<Effect>(said).unwrap(), effect);
        let other = serde_json::json!({"operation": "SetStopProtection", "instance": "i-00000001", "enabled": true});
        assert!(matches!(serde_json::from_value(other).unwrap(), Effect::SetStopProtection { .. }));
    }
}
