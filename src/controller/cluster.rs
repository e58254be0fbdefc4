//! The only place that changes Kubernetes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, ObjectMeta, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::runtime::events::{Event, Recorder};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::kind::Kind;
use crate::api::approval::{Approval, ApprovalSpec, ApprovalStatus, Decision, Subject, SubjectKind};
use crate::api::custody_record::{CustodyRecord, CustodyRecordSpec};
use crate::api::ids::Digest;
use crate::api::instance_hold::{InstanceHold, InstanceHoldSpec};
use crate::api::policies::APPROVER_REFUSAL;
use crate::api::{CASE_LABEL, CASE_UID_LABEL, FINALIZER, GROUP, VERSION};
use crate::playbook::chain::{Link, ObjectRef};

/// Field manager of everything that the controller applies.
pub const MANAGER: &str = "sequester";

/// Label of the object on its custody records: its uid.
pub const SUBJECT_LABEL: &str = "sequester.dev/subject";

/// The API server did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// It refused or could not be reached.
    #[error("{what}: {source}")]
    Api {
        /// What was asked.
        what: String,
        /// Why not.
        source: Arc<kube::Error>,
    },
    /// No answer within the request deadline: it may have been done.
    #[error("{0}: no answer within the request deadline")]
    Timeout(String),
}

impl ClusterError {
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::Timeout(_) => None,
        }
    }

    /// Whether the API server answered, and refused: asking again changes nothing.
    pub fn is_refusal(&self) -> bool {
        self.status()
            .is_some_and(|status| (400..500).contains(&status.code) && status.code != 409 && status.code != 429)
    }

    /// The API server's own words, where it said any.
    pub fn told(&self) -> String {
        self.status().map_or_else(|| self.to_string(), |status| status.message.clone())
    }

    fn is(&self, code: u16) -> bool {
        self.status().is_some_and(|status| status.code == code)
    }
}

/// What came of a create-only write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is ours.
    Created,
    /// Something of that name is there.
    Exists,
}

/// The cluster, through a client that never retries by itself: a create that is retried in the dark can't be told
/// from somebody else's.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    deadline: Duration,
    own_namespace: String,
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("own_namespace", &self.own_namespace).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster. `own_namespace` keeps the records of cluster-scoped kinds.
    pub const fn new(client: Client, deadline: Duration, own_namespace: String) -> Self {
        Self { client, deadline, own_namespace }
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    async fn ask<T>(&self, what: &str, call: impl Future<Output = kube::Result<T>> + Send) -> Result<T, ClusterError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(ClusterError::Api { what: what.to_owned(), source: Arc::new(source) }),
            Err(_) => Err(ClusterError::Timeout(what.to_owned())),
        }
    }

    /// Reads an object as the API server has it now.
    pub async fn fetch<T>(&self, api: &Api<T>, name: &str) -> Result<Option<T>, ClusterError>
    where
        T: Clone + Debug + DeserializeOwned,
    {
        self.ask("get object", api.get_opt(name)).await
    }

    /// Lists objects as the API server has them now.
    pub async fn list<T>(&self, api: &Api<T>, params: &ListParams) -> Result<Vec<T>, ClusterError>
    where
        T: Clone + Debug + DeserializeOwned,
    {
        self.ask("list objects", api.list(params)).await.map(|list| list.items)
    }

    fn records(&self, subject: &ObjectRef) -> Api<CustodyRecord> {
        let namespace = subject.namespace.as_deref().unwrap_or(&self.own_namespace);
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads one record's bytes.
    pub async fn record(&self, short: &str, subject: &ObjectRef, index: u64) -> Result<Option<String>, ClusterError> {
        let found = self
            .ask("get custody record", self.records(subject).get_opt(&record_name(short, &subject.uid, index)))
            .await?;
        Ok(found.map(|record| record.spec.body))
    }

    /// Reads all records of a chain, in order.
    pub async fn all_records(&self, subject: &ObjectRef) -> Result<Vec<String>, ClusterError> {
        let api = self.records(subject);
        let mut params = ListParams::default().labels(&format!("{SUBJECT_LABEL}={}", subject.uid)).limit(200);
        let mut records = Vec::new();
        loop {
            let page = self.ask("list custody records", api.list(&params)).await?;
            let next = page.metadata.continue_.clone().filter(|token| !token.is_empty());
            records.extend(page.items);
            match next {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        records.sort_by_key(|record| record.spec.index);
        Ok(records.into_iter().map(|record| record.spec.body).collect())
    }

    /// Writes the next record of a chain. The name carries the index: the API server decides who wrote it.
    pub async fn append(&self, short: &str, subject: &ObjectRef, link: &Link) -> Result<Written, ClusterError> {
        let name = record_name(short, &subject.uid, link.head.index);
        let mut record = CustodyRecord::new(
            &name,
            CustodyRecordSpec {
                index: link.head.index,
                previous: link.body.previous.clone(),
                subject: subject.clone(),
                body: link.bytes.clone(),
            },
        );
        record.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        record.metadata.labels = Some([(SUBJECT_LABEL.to_owned(), subject.uid.clone())].into());
        let api = self.records(subject);
        match self.ask("create custody record", api.create(&PostParams::default(), &record)).await {
            Ok(_) => Ok(Written::Created),
            Err(error) if error.is(409) => {
                // A create of ours whose reply was lost leaves our own bytes.
                let bytes = self.record(short, subject, link.head.index).await?;
                Ok(if bytes.as_deref() == Some(&link.bytes) { Written::Created } else { Written::Exists })
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the hold on an instance, or says who has it.
    pub async fn hold(&self, spec: &InstanceHoldSpec) -> Result<InstanceHold, ClusterError> {
        let api: Api<InstanceHold> = Api::all(self.client.clone());
        let name = hold_name(spec);
        // Most often it is there: after a restart, and for whoever comes second. And where nothing can be created any
        // more, as in a definition that is being deleted, it can still be read.
        if let Some(hold) = self.ask("get instance hold", api.get_opt(&name)).await? {
            return Ok(hold);
        }
        let mut hold = InstanceHold::new(&name, spec.clone());
        hold.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        match self.ask("create instance hold", api.create(&PostParams::default(), &hold)).await {
            Err(error) if error.is(409) => self.ask("get instance hold", api.get(&name)).await,
            answer => answer,
        }
    }

    /// Whoever has the hold on an instance.
    pub async fn holder(&self, spec: &InstanceHoldSpec) -> Result<Option<ObjectRef>, ClusterError> {
        let api: Api<InstanceHold> = Api::all(self.client.clone());
        let hold = self.ask("get instance hold", api.get_opt(&hold_name(spec))).await?;
        Ok(hold.map(|hold| hold.spec.holder))
    }

    /// Whether an object is there, and the very one.
    pub async fn exists(&self, object: &ObjectRef) -> Result<bool, ClusterError> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, &object.kind));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), object.namespace.as_deref().unwrap_or_default(), &resource);
        let found = self.ask("get holder", api.get_metadata_opt(&object.name)).await?;
        Ok(found.is_some_and(|found| found.uid().as_deref() == Some(&object.uid)))
    }

    /// Gives a hold back, if it is this object's.
    pub async fn unhold(&self, spec: &InstanceHoldSpec) -> Result<(), ClusterError> {
        let api: Api<InstanceHold> = Api::all(self.client.clone());
        let name = hold_name(spec);
        let Some(hold) = self.ask("get instance hold", api.get_opt(&name)).await? else { return Ok(()) };
        if hold.spec.holder.uid != spec.holder.uid {
            return Ok(());
        }
        self.marked(&api, &hold, false).await?;
        // A delete that comes late must not hit the hold of whoever came after.
        let this = Preconditions { uid: hold.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
        match self.ask("delete instance hold", api.delete(&name, &params)).await {
            Err(error) if error.is(404) || error.is(409) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Sets or removes our finalizer, leaving those of others.
    pub async fn mark<K: Kind>(&self, object: &K::Object, held: bool) -> Result<(), ClusterError> {
        let api = K::api(self.client.clone(), object.namespace().as_deref());
        self.marked(&api, object, held).await
    }

    async fn marked<T>(&self, api: &Api<T>, known: &T, held: bool) -> Result<(), ClusterError>
    where
        T: Clone + Debug + DeserializeOwned + Resource<DynamicType = ()>,
    {
        match self.patch_mark(api, known, held).await {
            // Somebody wrote meanwhile. A list is replaced as a whole: not with one that lacks what they added.
            Err(error) if error.is(409) => match self.fetch(api, &known.name_any()).await? {
                Some(fresh) if fresh.uid() == known.uid() => self.patch_mark(api, &fresh, held).await,
                _ => Ok(()),
            },
            answer => answer,
        }
    }

    async fn patch_mark<T>(&self, api: &Api<T>, known: &T, held: bool) -> Result<(), ClusterError>
    where
        T: Clone + Debug + DeserializeOwned + Resource<DynamicType = ()>,
    {
        let finalizers = known.finalizers();
        let mut wanted: Vec<&str> = finalizers.iter().map(String::as_str).filter(|f| *f != FINALIZER).collect();
        if held {
            wanted.push(FINALIZER);
        }
        if wanted.len() == finalizers.len() {
            return Ok(());
        }
        let this = json!({"uid": known.uid(), "resourceVersion": known.resource_version(), "finalizers": wanted});
        let patch = json!({"metadata": this});
        let params = PatchParams::default();
        match self.ask("set finalizer", api.patch(&known.name_any(), &params, &Patch::Merge(&patch))).await {
            Err(error) if error.is(404) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Writes a whole status: what is not in it any more is removed.
    pub async fn project<K: Kind>(&self, object: &K::Object, status: &Json) -> Result<(), ClusterError> {
        let api = K::api(self.client.clone(), object.namespace().as_deref());
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": K::KIND,
            "metadata": {"name": object.name_any(), "uid": object.uid()},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        self.ask("write status", api.patch_status(&object.name_any(), &params, &Patch::Apply(&patch))).await.map(|_| ())
    }

    /// Sees to it that a child of a case is there as declared.
    pub async fn ensure<T>(
        &self,
        api: &Api<T>,
        name: &str,
        (case, case_uid): (&str, &str),
        kind: &str,
        spec: &impl Serialize,
    ) -> Result<(), ClusterError>
    where
        T: Clone + Debug + DeserializeOwned,
    {
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": kind,
            "metadata": {"name": name, "labels": {CASE_LABEL: case, CASE_UID_LABEL: case_uid}},
            "spec": spec,
        });
        let params = PatchParams::apply(MANAGER).force();
        self.ask("apply child", api.patch(name, &params, &Patch::Apply(&patch))).await.map(|_| ())
    }

    /// Says something in an event.
    pub async fn announce(
        &self,
        recorder: &Recorder,
        event: &Event,
        about: &ObjectReference,
    ) -> Result<(), ClusterError> {
        self.ask("publish event", recorder.publish(event, about)).await
    }

    /// Says in an Approval's status what it is worth.
    pub async fn judge(&self, approval: &Approval, status: &ApprovalStatus) -> Result<(), ClusterError> {
        let api: Api<Approval> = Api::namespaced(self.client.clone(), &approval.namespace().unwrap_or_default());
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "Approval",
            "metadata": {"name": approval.name_any(), "resourceVersion": approval.resource_version()},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        self.ask("write approval status", api.patch_status(&approval.name_any(), &params, &Patch::Apply(&patch)))
            .await
            .map(|_| ())
    }

    /// Tries a forged Approval, in dry-run: it must be refused by our policy, and by nothing before it. In our own
    /// namespace, which no tenant can bring to an end. The outer error is that nobody answered, which proves nothing.
    pub async fn forge(&self) -> Result<Result<(), String>, ClusterError> {
        let api: Api<Approval> = Api::namespaced(self.client.clone(), &self.own_namespace);
        let mut forged = Approval::new(
            "policy-probe",
            ApprovalSpec {
                subject: Subject {
                    kind: SubjectKind::Quarantine,
                    name: "policy-probe".to_owned(),
                    uid: "policy-probe".to_owned(),
                },
                action: crate::api::approval::Action::Release,
                plan_hash: Digest::of(&[0; 32]),
                requester: None,
                approver: "policy-probe".to_owned(),
                decision: Decision::Deny,
                break_glass: false,
                reason: "proves that a forged Approval is refused; never stored".to_owned(),
            },
        );
        forged.metadata = ObjectMeta { name: Some("policy-probe".to_owned()), ..ObjectMeta::default() };
        let params = PostParams { dry_run: true, ..PostParams::default() };
        match self.ask("try a forged Approval", api.create(&params, &forged)).await {
            Ok(_) => Ok(Err("the API server accepted a forged Approval".to_owned())),
            Err(error) if error.status().is_some_and(|status| status.message.contains(APPROVER_REFUSAL)) => Ok(Ok(())),
            Err(error) if error.is_refusal() => {
                Ok(Err(format!("a forged Approval was not refused by the policy: {}", error.told())))
            }
            Err(error) => Err(error),
        }
    }
}

/// Name of a record.
pub fn record_name(short: &str, uid: &str, index: u64) -> String {
    format!("{short}-{uid}-{index:06}")
}

/// Name of a hold.
pub fn hold_name(spec: &InstanceHoldSpec) -> String {
    format!("{}-{}-{}", spec.account_id, spec.region, spec.instance_id)
}

/// A time as the API server keeps it.
pub fn meta_time(time: crate::playbook::Time) -> MetaTime {
    MetaTime(crate::playbook::project::whole_seconds(time))
}
