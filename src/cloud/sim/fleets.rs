//! Auto Scaling groups of the in-memory AWS. What takes AWS minutes is over at once here, so that a look shows an end.

use super::apply::{Done, Refuser};
use super::world::World;
use crate::api::ids::InstanceId;
use crate::cloud::error::CloudError;
use crate::playbook::auto_scaling::{AutoScaling, AutoScalingGroup, LifecycleHook};
use crate::playbook::group_change::GroupChange;
use crate::playbook::seen::AutoScalingMembership;

/// A group, and how many instances it has beside those that are modelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fleet {
    /// Minimum size.
    pub minimum: i32,
    /// Maximum size.
    pub maximum: i32,
    /// Desired capacity.
    pub desired: i32,
    /// Instances in service beside the hosts of this world: the group keeps them at what it wants.
    pub others: i32,
    /// Its hooks for instances that are terminated.
    pub hooks: Vec<LifecycleHook>,
    /// How often something was launched or terminated to reach the desired capacity.
    pub activities: u32,
}

impl World {
    /// Puts a host into a group, in service.
    #[must_use]
    pub fn with_fleet(mut self, name: &str, host: &InstanceId, sizes: (i32, i32, i32)) -> Self {
        let (minimum, desired, maximum) = sizes;
        let fleet = Fleet { minimum, maximum, desired, others: desired - 1, hooks: Vec::new(), activities: 0 };
        self.fleets.insert(name.to_owned(), fleet);
        self.place(host, Some(name));
        self
    }

    fn place(&mut self, id: &InstanceId, group: Option<&str>) {
        if let Some(host) = self.instances.get_mut(id) {
            host.surroundings.auto_scaling = group.map(|group| AutoScalingMembership {
                group: group.to_owned(),
                lifecycle_state: "InService".to_owned(),
                protected_from_scale_in: false,
            });
        }
    }

    /// The place of a host in its group.
    pub fn member(&self, id: &InstanceId) -> Option<&AutoScalingMembership> {
        self.instances.get(id)?.surroundings.auto_scaling.as_ref()
    }

    fn in_service(&self, name: &str) -> i32 {
        let is = |member: &AutoScalingMembership| member.group == name && member.lifecycle_state == "InService";
        let hosts = self.instances.keys().filter_map(|id| self.member(id)).filter(|member| is(member)).count();
        self.fleets.get(name).map_or(0, |fleet| fleet.others) + i32::try_from(hosts).unwrap_or(i32::MAX)
    }

    /// What a look at the group of a host shows; `former` is a group to be looked at where it is in none.
    pub(super) fn see_fleet(&self, id: &InstanceId, former: Option<&str>) -> AutoScaling {
        let membership = self.member(id).cloned();
        let name = membership.as_ref().map(|member| member.group.as_str()).or(former);
        let group = name.and_then(|name| {
            let fleet = self.fleets.get(name)?;
            Some(AutoScalingGroup {
                name: name.to_owned(),
                minimum: fleet.minimum,
                maximum: fleet.maximum,
                desired: fleet.desired,
                in_service: self.in_service(name),
                launch_source: "lt-1".to_owned(),
            })
        });
        let terminating = membership.as_ref().is_some_and(|member| member.lifecycle_state.starts_with("Terminating"));
        let hooks =
            name.filter(|_| terminating).and_then(|name| self.fleets.get(name)).map(|fleet| fleet.hooks.clone());
        AutoScaling { membership, group, hooks: hooks.unwrap_or_default() }
    }

    fn fleet(&mut self, refuse: &Refuser, name: &str) -> Result<&mut Fleet, CloudError> {
        self.fleets.get_mut(name).ok_or_else(|| refuse.conflict("ValidationError"))
    }

    /// The host's place, in one of these states.
    fn placed(&mut self, refuse: &Refuser, id: &InstanceId, states: &[&str]) -> Result<String, CloudError> {
        let member = self.member(id).ok_or_else(|| refuse.conflict("ValidationError"))?;
        if states.contains(&member.lifecycle_state.as_str()) {
            Ok(member.group.clone())
        } else {
            Err(refuse.conflict("ValidationError"))
        }
    }

    fn resize(&mut self, refuse: &Refuser, name: &str, by: i32) -> Result<(), CloudError> {
        let fleet = self.fleet(refuse, name)?;
        let desired = fleet.desired + by;
        if !(fleet.minimum..=fleet.maximum).contains(&desired) {
            return Err(refuse.invalid("ValidationError", "please update the AutoScalingGroup sizes appropriately"));
        }
        fleet.desired = desired;
        Ok(())
    }

    fn set_state(&mut self, id: &InstanceId, state: &str) {
        let member = self.instances.get_mut(id).and_then(|host| host.surroundings.auto_scaling.as_mut());
        if let Some(member) = member {
            state.clone_into(&mut member.lifecycle_state);
        }
    }

    /// The group launches or terminates others until it has what it wants; scale-in spares who is protected.
    fn balance(&mut self, name: &str) {
        let hosts = self.in_service(name) - self.fleets.get(name).map_or(0, |fleet| fleet.others);
        if let Some(fleet) = self.fleets.get_mut(name) {
            let others = (fleet.desired - hosts).max(0);
            fleet.activities += others.abs_diff(fleet.others);
            fleet.others = others;
        }
    }

    /// Makes one change of a group, or refuses it.
    pub(super) fn change_fleet(&mut self, refuse: &Refuser, change: &GroupChange) -> Done {
        match change {
            GroupChange::SetInstanceProtection { instance, enabled, .. } => {
                self.placed(refuse, instance, &["InService", "EnteringStandby", "Standby"])?;
                let member = self.instances.get_mut(instance).and_then(|host| host.surroundings.auto_scaling.as_mut());
                if let Some(member) = member {
                    member.protected_from_scale_in = *enabled;
                }
            }
            GroupChange::EnterStandby { instance, decrement, .. } => {
                let name = self.placed(refuse, instance, &["InService"])?;
                self.resize(refuse, &name, -i32::from(*decrement))?;
                self.set_state(instance, "Standby");
                self.balance(&name);
            }
            GroupChange::ExitStandby { instance, .. } => {
                let name = self.placed(refuse, instance, &["Standby"])?;
                self.resize(refuse, &name, 1)?;
                self.set_state(instance, "InService");
                self.balance(&name);
            }
            GroupChange::DetachInstances { instance, decrement, .. } => {
                let name = self.placed(refuse, instance, &["InService", "Standby"])?;
                let active = self.member(instance).is_some_and(|member| member.lifecycle_state == "InService");
                self.resize(refuse, &name, -i32::from(*decrement && active))?;
                self.place(instance, None);
                self.balance(&name);
            }
            GroupChange::AttachInstances { instance, group } => {
                if self.member(instance).is_some() {
                    return Err(refuse.conflict("ValidationError"));
                }
                self.resize(refuse, group, 1)?;
                self.place(instance, Some(group));
                self.balance(group);
            }
            GroupChange::UpdateAutoScalingGroup { group, min_size } => {
                let fleet = self.fleet(refuse, group)?;
                fleet.minimum = *min_size;
                fleet.desired = fleet.desired.max(*min_size);
                self.balance(group);
            }
            GroupChange::SetDesiredCapacity { group, desired } => {
                let by = *desired - self.fleet(refuse, group)?.desired;
                self.resize(refuse, group, by)?;
                self.balance(group);
            }
            GroupChange::RecordLifecycleActionHeartbeat { instance, .. } => {
                self.placed(refuse, instance, &["Terminating:Wait"])?;
            }
        }
        Ok(Vec::new())
    }
}
