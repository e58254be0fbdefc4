//! What the shell must know of a kind. Adding a kind is a table, its steps, and this.

use std::collections::BTreeMap;
use std::fmt::Debug;

use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::cluster::ClusterError;
use super::context::Context;
use crate::api::conditions::{Condition, Reason};
use crate::api::ids::{InstanceId, RegionName};
use crate::api::quarantine::RecordStatus;
use crate::cloud::error::CloudError;
use crate::cloud::{Cloud, Place, Witness};
use crate::playbook::chain::Head;
use crate::playbook::decide::Plan;
use crate::playbook::effect::Receipt;
use crate::playbook::executor::Send as Sending;
use crate::playbook::project::Verdict;
use crate::playbook::record::Record;
use crate::playbook::step::{Account, Procedure, StepResult, Subject};

/// Where an object works: an account, a Region, an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Name of the `AwsAccount`.
    pub account_ref: String,
    /// Region; none for the account itself.
    pub region: Option<RegionName>,
    /// Instance.
    pub instance: Option<InstanceId>,
}

/// All that a status is made of.
#[derive(Debug)]
pub struct Told<'a, P: Procedure> {
    /// The object.
    pub subject: &'a Subject,
    /// What it declares.
    pub spec: &'a P::Spec,
    /// The status as it stands.
    pub standing: &'a Json,
    /// Where it works.
    pub site: Option<&'a Site>,
    /// The account's rules.
    pub account: &'a Account,
    /// The decision.
    pub plan: &'a Plan<P>,
    /// What AWS refused.
    pub errors: &'a BTreeMap<&'static str, CloudError>,
    /// The whole.
    pub verdict: &'a Verdict,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Generation that was decided on.
    pub generation: i64,
    /// What was seen.
    pub seen: &'a P::Seen,
    /// What the chain says.
    pub record: &'a Record,
    /// Its head.
    pub head: Option<&'a Head>,
}

impl<P: Procedure> Told<'_, P> {
    /// The Region, for a column.
    pub fn region(&self) -> String {
        self.site.and_then(|site| site.region.as_ref()).map(ToString::to_string).unwrap_or_default()
    }

    /// The instance, for a column.
    pub fn instance(&self) -> String {
        self.site.and_then(|site| site.instance.as_ref()).map(ToString::to_string).unwrap_or_default()
    }

    /// What a step said.
    pub fn step(&self, name: &str) -> Option<&StepResult> {
        self.plan.steps.iter().find(|step| step.name == name)
    }

    /// Where the chain stands, for the reader of a status. One that is broken keeps what was noted of it: it is by that
    /// that the break is known.
    pub fn chain(&self) -> Option<RecordStatus> {
        if self.plan.refused.as_ref().is_some_and(|refusal| refusal.reason == Reason::CustodyChainBroken) {
            return noted(self.standing);
        }
        self.head.map(|head| RecordStatus { index: head.index, hash: head.hash.clone() })
    }

    /// `True`, or why not.
    pub fn ready(&self) -> String {
        if self.verdict.ready { "True".to_owned() } else { self.verdict.reason.as_str().to_owned() }
    }
}

/// The link that a status names.
pub fn noted(status: &Json) -> Option<RecordStatus> {
    serde_json::from_value(status["record"].clone()).ok()
}

/// A kind that the shell runs.
pub trait Kind: Procedure {
    /// The object as the API server has it.
    type Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static;

    /// Its kind.
    const KIND: &'static str;
    /// Prefix of its records' names.
    const SHORT: &'static str;
    /// Whether it has a chain of custody.
    const CHAIN: bool;
    /// Whether it takes the hold on its instance.
    const HOLDS: bool;
    /// Whether it gets our finalizer once something was begun for it.
    const MARKED: bool;

    /// Its API, in a namespace or in all.
    fn api(client: Client, namespace: Option<&str>) -> Api<Self::Object>;

    /// What it declares.
    fn spec(object: &Self::Object) -> &Self::Spec;

    /// Who asked for it, where a person did.
    fn requested_by(spec: &Self::Spec) -> Option<String>;

    /// The case it belongs to.
    fn case(_spec: &Self::Spec) -> Option<String> {
        None
    }

    /// Where it works; none for what touches Kubernetes alone.
    fn site(object: &Self::Object) -> Option<Site>;

    /// Nothing observed.
    fn nothing() -> Self::Seen;

    /// Looks.
    fn observe<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        place: Option<&Place>,
        account: &Account,
        record: &Record,
    ) -> impl Future<Output = Self::Seen> + Send;

    /// Makes one change.
    fn perform<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        place: Option<&Place>,
        sending: &Sending<Self::Effect>,
        witness: Option<&Witness>,
    ) -> impl Future<Output = Result<Receipt, CloudError>> + Send;

    /// What other objects need to know of the chain of this one.
    fn remember<C: Cloud>(_ctx: &Context<C>, _object: &Self::Object, _record: &Record) {}

    /// Whether this replica works on it at all.
    fn is_ours<C: Cloud>(ctx: &Context<C>, object: &Self::Object) -> bool {
        ctx.works_in(object.meta().namespace.as_deref())
    }

    /// The status that follows.
    fn status(told: Told<'_, Self>) -> Json;

    /// The status and its conditions as they stand.
    fn standing(object: &Self::Object) -> (Json, Vec<Condition>);

    /// Whether the object may go once somebody deleted it.
    fn may_go<C: Cloud>(ctx: &Context<C>, object: &Self::Object, record: &Record) -> bool;

    /// Whether it asks to give everything back: then nothing is taken for it any more.
    fn ends(_spec: &Self::Spec) -> bool {
        false
    }

    /// Whether anything uses it, in all of the cluster and as it is now: what is watched may not be listed yet, or be a
    /// part of it. Asked before our finalizer goes.
    fn used_anywhere<C: Cloud>(
        _ctx: &Context<C>,
        _object: &Self::Object,
    ) -> impl Future<Output = Result<bool, ClusterError>> + Send {
        std::future::ready(Ok(false))
    }

    /// Whether our finalizer belongs on it now.
    fn in_use<C: Cloud>(_ctx: &Context<C>, _object: &Self::Object, _record: &Record) -> bool {
        true
    }
}
