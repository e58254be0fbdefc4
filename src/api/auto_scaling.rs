//! What becomes of a host's Auto Scaling group while it is held: a block of a Quarantine, and of a case's containment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// What becomes of the Auto Scaling group of the instance, which would replace it and terminate the evidence: neither
/// termination protection nor stop protection keeps a group from that (EC2 guide, termination protection).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[rules::lower_minimum_with_decrement("autoScaling")])))]
pub struct AutoScaling {
    /// How its group is kept from replacing or terminating it, from level `Protected` on, without an Approval.
    /// `Standby`: protected from scale-in and put into Standby, where no health check applies and no load balancer of the
    /// group sends it anything. `ScaleInProtection`: protected from scale-in alone; a failed health check still
    /// terminates it. `Leave`: nothing is changed. An instance in no group needs none of it: `ReplacementStopped` says
    /// `NothingToDo`. Default: `Standby`.
    pub hold: HoldInGroup,
    /// Whether the group launches another instance in its place. True: its desired capacity stays. False: it is lowered
    /// by one, which AWS refuses below the group's minimum size; then the reason is `AtMinimumSize`. Default: true.
    pub replace: bool,
    /// Whether the minimum size of the group may be lowered by one where the desired capacity can't be lowered otherwise.
    /// Needs `replace: false` and an Approval of `LowerMinimum`; given back at release. Default: false.
    pub lower_minimum: bool,
}

impl Default for AutoScaling {
    fn default() -> Self {
        Self { hold: HoldInGroup::Standby, replace: true, lower_minimum: false }
    }
}

/// How an Auto Scaling group is kept from replacing the instance.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum HoldInGroup {
    /// Protected from scale-in, and in Standby: in the group, without health checks and traffic.
    #[default]
    Standby,
    /// Protected from scale-in; a failed health check still terminates it.
    ScaleInProtection,
    /// Left as it is.
    Leave,
}
