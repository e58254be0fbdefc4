//! From an `AwsAccount` to the rules for one object: the only source of a role, an endpoint, a destination.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::cluster::ClusterError;
use super::context::Context;
use super::kind::Site;
use crate::api::AwsAccount;
use crate::api::approval::Action;
use crate::api::aws_account::LockMode;
use crate::api::conditions::Reason;
use crate::api::ids::AccountId;
use crate::cloud::{Access, Cloud, Place};
use crate::playbook::step::{Account, Jurisdiction, Refusal};

/// The access that an `AwsAccount` describes.
pub fn access(account: &AwsAccount) -> Access {
    let spec = &account.spec;
    Access {
        account_ref: account.name_any(),
        account: spec.account_id.clone(),
        partition: spec.partition,
        role: spec.role.as_ref().map(|role| role.arn.clone()),
        external_id: spec.role.as_ref().and_then(|role| role.external_id.clone()),
        endpoint: spec.endpoint_url.clone(),
    }
}

impl<C: Cloud> Context<C> {
    /// An account by name, as last watched; asked for if the watch has not brought it yet.
    pub async fn account(&self, name: &str) -> Result<Option<Arc<AwsAccount>>, ClusterError> {
        if let Some(known) = self.accounts.get(&ObjectRef::new(name)) {
            return Ok(Some(known));
        }
        let api: Api<AwsAccount> = Api::all(self.cluster.client());
        Ok(self.cluster.fetch(&api, name).await?.map(Arc::new))
    }

    /// The rules for an object, and the place where it works. Whether STS confirms the account is asked separately.
    pub async fn rules(&self, site: &Site, namespace: &str) -> (Account, Option<Place>) {
        let account = match self.account(&site.account_ref).await {
            Ok(Some(account)) => account,
            Ok(None) => return (unknown(&site.account_ref), None),
            Err(error) => return (unread(&site.account_ref, &error), None),
        };
        let spec = &account.spec;
        let mut destinations = BTreeMap::new();
        let mut allowed = BTreeMap::new();
        for destination in &spec.evidence.destinations {
            match self.account(&destination.account_ref).await {
                Ok(Some(other)) => {
                    let (name, id) = (destination.account_ref.clone(), other.spec.account_id.clone());
                    // A snapshot is shared where it is: the destination must allow the Region that it is in.
                    if site.region.as_ref().is_none_or(|region| destination.regions.contains(region)) {
                        destinations.insert(name.clone(), id.clone());
                    }
                    let (regions, tag_prefix) = (destination.regions.clone(), other.spec.naming.tag_prefix.clone());
                    allowed.insert(name, Jurisdiction { account: id, regions, tag_prefix });
                }
                Ok(None) => {}
                // A destination that is missing is one that is not allowed: a share would be taken back.
                Err(error) => return (unread(&destination.account_ref, &error), None),
            }
        }
        let required = Action::ALL
            .iter()
            .filter(|action| spec.approval.requires(**action))
            .map(|action| (*action, spec.approval.approvers.of(*action)))
            .collect();
        let rules = Account {
            id: spec.account_id.clone(),
            ready: Ok(()),
            regions: spec.regions.clone(),
            namespace_allowed: spec.allows_namespace(namespace),
            required,
            group_prefix: spec.naming.group_prefix.clone(),
            tag_prefix: spec.naming.tag_prefix.clone(),
            lock_mode: spec.evidence.lock.mode,
            lock_days: spec.evidence.lock.days,
            destinations,
            allowed,
            transfer_key: spec.evidence.transfer_key_arn.clone(),
            recheck_seconds: u32::try_from(spec.recheck_seconds()).unwrap_or(u32::MAX),
        };
        let place = site.region.clone().map(|region| Place { access: access(&account), region });
        (rules, place)
    }
}

/// Rules under which nothing is done.
pub fn unknown(name: &str) -> Account {
    Account {
        ready: Err(Refusal::new(
            Reason::AccountNotFound,
            format!("there is no AwsAccount {name}; create it, or correct the name"),
        )),
        ..nowhere()
    }
}

/// Rules under which nothing is begun until the API server answers again.
fn unread(name: &str, error: &ClusterError) -> Account {
    let why = format!("AwsAccount {name} could not be read ({error}); tried again");
    Account { ready: Err(Refusal::new(Reason::NotObserved, why)), ..nowhere() }
}

/// Rules for what touches Kubernetes alone.
pub fn nowhere() -> Account {
    Account {
        id: AccountId::none(),
        ready: Ok(()),
        regions: Vec::new(),
        namespace_allowed: false,
        required: BTreeMap::new(),
        group_prefix: String::new(),
        tag_prefix: String::new(),
        lock_mode: LockMode::Governance,
        lock_days: 1,
        destinations: BTreeMap::new(),
        allowed: BTreeMap::new(),
        transfer_key: None,
        recheck_seconds: 60,
    }
}
