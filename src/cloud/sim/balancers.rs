//! Load balancers of the in-memory AWS: who is registered, who drains, and what a look at them shows.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Done, Refuser};
use super::world::World;
use crate::api::ids::{InstanceId, LoadBalancerName, TargetGroupArn};
use crate::cloud::error::CloudError;
use crate::cloud::{AskBalancers, Survey};
use crate::playbook::balancers::{Balancers, ClassicLoadBalancer, Health, Target, TargetGroup};
use crate::playbook::seen::{InstanceState, Surroundings};

/// A target group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Registrations {
    /// What is registered, and whether it is healthy.
    pub registered: BTreeMap<Target, bool>,
    /// What AWS was told to take back, and has connections still.
    pub draining: BTreeSet<Target>,
}

impl World {
    /// Names by which a target group may know an instance.
    pub(super) fn names_of(&self, instance: &InstanceId) -> BTreeSet<String> {
        let addresses = self.ports(instance).into_iter().flat_map(|port| port.private_ips.iter().chain(&port.ipv6));
        addresses.cloned().chain([instance.to_string()]).collect()
    }

    /// Every deregistration delay is over.
    pub fn drained(&mut self) {
        self.target_groups.values_mut().for_each(|group| group.draining.clear());
    }

    /// What is not registered is no error (Elastic Load Balancing reference, `DeregisterTargets`).
    pub(super) fn deregister(&mut self, refuse: &Refuser, arn: &TargetGroupArn, targets: &BTreeSet<Target>) -> Done {
        let group = self.target_groups.get_mut(arn).ok_or_else(|| refuse.conflict("TargetGroupNotFound"))?;
        for target in targets {
            if group.registered.remove(target).is_some() {
                group.draining.insert(target.clone());
            }
        }
        Ok(Vec::new())
    }

    /// An instance must be running (Elastic Load Balancing reference, `RegisterTargets`), and an address must have drained
    /// (guides, register targets). Its health is not known yet.
    pub(super) fn register(&mut self, refuse: &Refuser, arn: &TargetGroupArn, targets: &BTreeSet<Target>) -> Done {
        for target in targets {
            if let Ok(instance) = InstanceId::parse(&target.id) {
                self.running(refuse, "InvalidTarget", &instance)?;
            }
        }
        let group = self.target_groups.get_mut(arn).ok_or_else(|| refuse.conflict("TargetGroupNotFound"))?;
        let drains = |target: &&Target| !target.is_instance() && group.draining.iter().any(|gone| gone.id == target.id);
        if targets.iter().any(|target| drains(&target)) {
            return Err(refuse.invalid("InvalidTarget", "an address must drain before it is registered again"));
        }
        for target in targets {
            group.draining.remove(target);
            group.registered.entry(target.clone()).or_insert(false);
        }
        Ok(Vec::new())
    }

    pub(super) fn running(&self, refuse: &Refuser, code: &str, instance: &InstanceId) -> Result<(), CloudError> {
        let runs = self.instances.get(instance).is_some_and(|host| host.instance.state == InstanceState::Running);
        if runs { Ok(()) } else { Err(refuse.invalid(code, "the instance is not running")) }
    }

    pub(super) fn classic(
        &mut self,
        refuse: &Refuser,
        name: &LoadBalancerName,
    ) -> Result<&mut BTreeSet<InstanceId>, CloudError> {
        self.classic_load_balancers.get_mut(name).ok_or_else(|| refuse.conflict("LoadBalancerNotFound"))
    }

    /// What was known, and what has the instance, where others are looked for.
    pub(super) fn see_balancers(&self, instance: &InstanceId, ask: &AskBalancers) -> Balancers {
        let names = self.names_of(instance);
        let whole = ask.survey.is_some();
        let mut groups: BTreeMap<_, _> = ask.groups.iter().map(|arn| (arn.clone(), None)).collect();
        for (arn, group) in &self.target_groups {
            let is_ours = |target: &&Target| names.contains(&target.id);
            let registered: BTreeSet<Target> = group.registered.keys().filter(is_ours).cloned().collect();
            let draining: BTreeSet<Target> = group.draining.iter().filter(is_ours).cloned().collect();
            if groups.contains_key(arn) || whole && !(registered.is_empty() && draining.is_empty()) {
                let others = group.registered.iter().filter(|(target, _)| !names.contains(&target.id));
                let healthy_left = others.filter(|(_, healthy)| **healthy).count();
                let health = Health { healthy_left, all: group.registered.len() };
                groups
                    .insert(arn.clone(), Some(TargetGroup { registered, draining, health, ..TargetGroup::default() }));
            }
        }
        let mut classic: BTreeMap<_, _> = ask.classic.iter().map(|name| (name.clone(), None)).collect();
        for (name, instances) in &self.classic_load_balancers {
            let registered = instances.contains(instance);
            if classic.contains_key(name) || whole && registered {
                let left = instances.len() - usize::from(registered);
                let health = Some(Health { healthy_left: left, all: instances.len() });
                classic.insert(name.clone(), Some(ClassicLoadBalancer { registered, draining: false, health }));
            }
        }
        Balancers { groups, classic, whole }
    }

    /// What is around an instance, its balancers as they are now.
    pub(super) fn around(&self, instance: &InstanceId, around: Surroundings) -> Surroundings {
        let survey = Some(Survey { keep_seconds: 0, not_before: None });
        let all = AskBalancers { survey, ..AskBalancers::default() };
        let seen = self.see_balancers(instance, &all);
        Surroundings { classic_load_balancers: seen.classic_names(), target_groups: seen.registrations(), ..around }
    }
}
