//! `AwsAccount`: who we are there. It changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::Value as Json;

use super::super::accounts::access;
use super::super::cluster::ClusterError;
use super::super::context::Context;
use super::super::kind::{Kind, Site, Told};
use crate::api::aws_account::{self as api, AwsAccountStatus, AwsAccountSummary};
use crate::api::conditions::Condition;
use crate::api::{EvidenceSnapshot, FINALIZER, Quarantine};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::{Cloud, Place, Witness};
use crate::playbook::effect::Receipt;
use crate::playbook::executor::Send as Sending;
use crate::playbook::record::Record;
use crate::playbook::seen::{Read, ReadFailure};
use crate::playbook::step::Account;
use crate::playbook::{AccountSeen, AwsAccount, Nothing, Proof};

impl Kind for AwsAccount {
    type Object = api::AwsAccount;

    const KIND: &'static str = "AwsAccount";
    const SHORT: &'static str = "awsacct";
    const CHAIN: bool = false;
    const HOLDS: bool = false;
    const MARKED: bool = true;

    fn api(client: Client, _namespace: Option<&str>) -> Api<Self::Object> {
        Api::all(client)
    }

    fn spec(object: &Self::Object) -> &Self::Spec {
        &object.spec
    }

    fn requested_by(_spec: &Self::Spec) -> Option<String> {
        None
    }

    fn site(_object: &Self::Object) -> Option<Site> {
        None
    }

    fn nothing() -> AccountSeen {
        AccountSeen {
            identity: Read::NotRead,
            policies: Proof::Open("not tried yet".to_owned()),
            namespaces_in_use: BTreeSet::new(),
        }
    }

    async fn observe<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        _place: Option<&Place>,
        _account: &Account,
        _record: &Record,
    ) -> AccountSeen {
        let asked_at = now();
        let access = access(object);
        // Asked afresh at each re-check, since a role can be taken away at any time; not whenever something stirs.
        let fresh = Duration::from_secs(object.spec.recheck_seconds() / 2);
        let (identity, proof) = tokio::join!(ctx.who(&access, fresh), ctx.policies(false));
        let identity = match identity {
            Ok(value) => Read::Found { asked_at, value },
            Err(refusal) => Read::Failed(ReadFailure { reason: refusal.reason, message: refusal.message }),
        };
        let policies = match proof {
            Ok(Ok(())) => Proof::Given,
            Ok(Err(why)) => Proof::Failed(why),
            Err(error) => Proof::Open(error.to_string()),
        };
        AccountSeen { identity, policies, namespaces_in_use: namespaces_in_use(ctx, object) }
    }

    async fn perform<C: Cloud>(
        _ctx: &Context<C>,
        _object: &Self::Object,
        _place: Option<&Place>,
        sending: &Sending<Nothing>,
        _witness: Option<&Witness>,
    ) -> Result<Receipt, CloudError> {
        match sending.order.change {}
    }

    fn status(told: Told<'_, Self>) -> Json {
        let status = AwsAccountStatus {
            observed_generation: Some(told.generation),
            conditions: told.conditions.clone(),
            caller_arn: told.seen.identity.value().map(|identity| identity.arn.clone()),
            namespaces_in_use: told.seen.namespaces_in_use.iter().take(256).cloned().collect(),
            summary: AwsAccountSummary {
                ready: told.ready(),
                namespaces: super::clip(&told.spec.allowed_namespaces.join(","), 64),
                regions: super::clip(
                    &told.spec.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                    64,
                ),
            },
        };
        serde_json::to_value(status).unwrap_or_default()
    }

    fn standing(object: &Self::Object) -> (Json, Vec<Condition>) {
        super::standing(object.status.as_ref(), |status| &status.conditions)
    }

    /// Those that allow a namespace of ours, and those to which evidence of such a one may go.
    fn is_ours<C: Cloud>(ctx: &Context<C>, object: &Self::Object) -> bool {
        let allows = |account: &api::AwsAccount| {
            ctx.namespaces.is_empty() || account.spec.allowed_namespaces.iter().any(|ns| ctx.works_in(Some(ns)))
        };
        let name = object.name_any();
        allows(object)
            || ctx
                .accounts
                .state()
                .iter()
                .any(|other| allows(other) && other.spec.evidence.destinations.iter().any(|to| to.account_ref == name))
    }

    fn may_go<C: Cloud>(ctx: &Context<C>, object: &Self::Object, record: &Record) -> bool {
        !Self::in_use(ctx, object, record)
    }

    /// While something that we marked works in it: without its account nothing of that could be enforced or released.
    fn in_use<C: Cloud>(ctx: &Context<C>, object: &Self::Object, _record: &Record) -> bool {
        let name = object.name_any();
        ctx.quarantines.state().iter().any(|user| holds_in(user, &name))
            || ctx.evidence.state().iter().any(|user| keeps_of(user, &name))
    }

    async fn used_anywhere<C: Cloud>(ctx: &Context<C>, object: &Self::Object) -> Result<bool, ClusterError> {
        let (name, all) = (object.name_any(), ListParams::default());
        let (quarantines, evidence) = (Api::all(ctx.cluster.client()), Api::all(ctx.cluster.client()));
        let (held, kept) = tokio::try_join!(ctx.cluster.list(&quarantines, &all), ctx.cluster.list(&evidence, &all))?;
        Ok(held.iter().any(|user| holds_in(user, &name)) || kept.iter().any(|user| keeps_of(user, &name)))
    }
}

/// Where something of the account is held. A namespace in which another replica works is that replica's to add and to
/// take away.
fn namespaces_in_use<C: Cloud>(ctx: &Context<C>, account: &api::AwsAccount) -> BTreeSet<String> {
    let name = account.name_any();
    let standing = account.status.iter().flat_map(|status| &status.namespaces_in_use);
    let elsewhere = standing.filter(|namespace| !ctx.works_in(Some(namespace))).cloned();
    let (quarantines, evidence) = (ctx.quarantines.state(), ctx.evidence.state());
    let held = quarantines.iter().filter(|user| holds_in(user, &name)).filter_map(|user| user.namespace());
    let kept = evidence.iter().filter(|user| keeps_of(user, &name)).filter_map(|user| user.namespace());
    elsewhere.chain(held).chain(kept).collect()
}

fn is_marked(finalizers: &[String]) -> bool {
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

fn holds_in(user: &Quarantine, account: &str) -> bool {
    user.spec.target.account_ref == account && is_marked(user.finalizers())
}

fn keeps_of(user: &EvidenceSnapshot, account: &str) -> bool {
    user.spec.source.account_ref() == account && is_marked(user.finalizers())
}
