//! `EvidenceSnapshot`: one moment of one host.

use std::collections::BTreeMap;

use kube::{Api, Client, ResourceExt};
use serde_json::Value as Json;

use super::super::cluster::meta_time;
use super::super::context::Context;
use super::super::kind::{Kind, Site, Told};
use super::evidence_bytes::{Bytes, bytes, verified};
use super::evidence_copies::{archived, copies, counted};
use crate::api::conditions::{Condition, Reason};
use crate::api::evidence_snapshot::{self as api, EvidenceSnapshotStatus, EvidenceSnapshotSummary, SnapshotStatus};
use crate::api::ids::{SnapshotId, VolumeId};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::{AskDigests, AskEvidence, Cloud, Place, Witness};
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::executor::Send as Sending;
use crate::playbook::preservation::snapshot_volumes::{MISSING, missing};
use crate::playbook::record::Record;
use crate::playbook::seen::{Snapshot, SnapshotState};
use crate::playbook::step::{Account, State};
use crate::playbook::{EvidenceSeen, EvidenceSnapshot};

impl Kind for EvidenceSnapshot {
    type Object = api::EvidenceSnapshot;

    const KIND: &'static str = "EvidenceSnapshot";
    const SHORT: &'static str = "evsnap";
    const CHAIN: bool = true;
    const HOLDS: bool = false;
    const MARKED: bool = true;

    fn api(client: Client, namespace: Option<&str>) -> Api<Self::Object> {
        namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns))
    }

    fn spec(object: &Self::Object) -> &Self::Spec {
        &object.spec
    }

    fn requested_by(spec: &Self::Spec) -> Option<String> {
        spec.requested_by.clone()
    }

    fn case(spec: &Self::Spec) -> Option<String> {
        spec.case_ref.as_ref().map(|case| case.name.clone())
    }

    fn site(object: &Self::Object) -> Option<Site> {
        let source = &object.spec.source;
        Some(Site {
            account_ref: source.account_ref().to_owned(),
            region: source.region().cloned(),
            instance: source.instance_id().cloned(),
        })
    }

    fn nothing() -> EvidenceSeen {
        EvidenceSeen::nothing()
    }

    async fn observe<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        place: Option<&Place>,
        account: &Account,
        record: &Record,
    ) -> EvidenceSeen {
        let Some(place) = place else { return EvidenceSeen::nothing() };
        let instance = object.spec.source.instance_id();
        let isolated_at = instance.and_then(|id| ctx.contained_at(object.namespace().as_deref(), id));
        let (spec, uid) = (&object.spec, object.uid().unwrap_or_default());
        let (evidence, bytes) = (AskEvidence::about(spec, account, record), AskDigests::about(spec, record));
        let reading = async {
            // Who does not know the chain yet does not know what is to be read: what is under way goes on.
            match record.opened {
                Some(_) => ctx.digest(&uid, place, &bytes).await,
                None => BTreeMap::new(),
            }
        };
        let (seen, digests) = tokio::join!(ctx.cloud.observe_evidence(place, &evidence), reading);
        let copies = ctx.observe_copies(&uid, place, spec, account, record, &seen).await;
        EvidenceSeen { digests, copies, isolated_at, ..seen }
    }

    async fn perform<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        place: Option<&Place>,
        sending: &Sending<Effect>,
        witness: Option<&Witness>,
    ) -> Result<Receipt, CloudError> {
        let place = match place {
            Some(own) => Some(ctx.place_of(&object.uid().unwrap_or_default(), own, sending).await?),
            None => None,
        };
        super::super::perform::aws(ctx, place.as_ref(), sending, witness).await
    }

    fn remember<C: Cloud>(ctx: &Context<C>, object: &Self::Object, record: &Record) {
        ctx.copying.note(&object.uid().unwrap_or_default(), Some(record));
    }

    fn status(told: Told<'_, Self>) -> Json {
        let set = told.record.set.as_ref().map(|(_, set)| set);
        let mut snapshots: Vec<SnapshotStatus> =
            set.into_iter().flatten().map(|(volume, id)| snapshot(&told, volume, id)).collect();
        let missing = missing(told.record);
        snapshots.extend(missing.iter().map(|volume| without((*volume).clone(), Reason::PartialFailure, MISSING)));
        let all = snapshots.len();
        // What has no volume id is told in the condition.
        let left_out = told.record.not_covered.iter();
        snapshots.extend(
            left_out.filter_map(|(name, why)| Some(without(VolumeId::parse(name).ok()?, Reason::NotCovered, why))),
        );
        snapshots.truncate(128);
        let count = |of: usize, step: &str| match told.step(step).map(|step| &step.state) {
            _ if all > 0 => format!("{of}/{all}"),
            Some(Some(State::Working(_))) => "Waiting".to_owned(),
            _ => told.ready(),
        };
        let completed = snapshots.iter().filter(|s| s.state == "completed").count();
        let locked = snapshots.iter().filter(|s| s.locked_until.is_some()).count();
        let shared = snapshots.iter().filter(|s| !s.shared_with.is_empty()).count();
        let copies = copies(&told);
        let summary = EvidenceSnapshotSummary {
            copied: counted(&told, &copies),
            instance: Some(told.instance()).filter(|id| !id.is_empty()).unwrap_or_else(|| "adopted".to_owned()),
            account_ref: told.spec.source.account_ref().to_owned(),
            account: told.account.id.to_string(),
            volumes: count(completed, "VolumesSnapshotted"),
            locked: count(locked, "Locked"),
            shared: match told.step("Shared").and_then(|step| step.state.as_ref()) {
                Some(State::Done(_)) if told.spec.share.is_empty() && told.spec.copies.is_empty() => {
                    "nobody".to_owned()
                }
                _ if told.spec.share.is_empty() && told.spec.copies.is_empty() => "-".to_owned(),
                _ => count(shared, "Shared"),
            },
            verified: verified(&told, &snapshots, &copies),
            archived: archived(&told, &snapshots, &copies),
            ready: told.ready(),
        };
        let status = EvidenceSnapshotStatus {
            observed_generation: Some(told.generation),
            conditions: told.conditions.clone(),
            summary,
            plan: super::plan_status(&told),
            snapshots,
            copies,
            evidence_safe_at: told.record.preserved_at.map(meta_time),
            // Once the chain says that it stands, lifting it is no more than a wish.
            legal_hold: Some(told.spec.legal_hold || told.record.keeping.legal_hold.is_some()),
            record: told.chain(),
        };
        serde_json::to_value(status).unwrap_or_default()
    }

    fn standing(object: &Self::Object) -> (Json, Vec<Condition>) {
        super::standing(object.status.as_ref(), |status| &status.conditions)
    }

    fn may_go<C: Cloud>(ctx: &Context<C>, object: &Self::Object, record: &Record) -> bool {
        record.opened.is_none() || !Self::in_use(ctx, object, record)
    }

    /// What is under hold or retention stays. The object alone goes: its snapshots and its records stay.
    fn in_use<C: Cloud>(_ctx: &Context<C>, object: &Self::Object, record: &Record) -> bool {
        let retained = object.spec.retain_until.as_ref().is_some_and(|until| until.0 > now());
        object.spec.legal_hold || record.keeping.legal_hold.is_some() || retained
    }
}

/// A volume of which there is no snapshot.
fn without(volume_id: VolumeId, reason: Reason, why: &str) -> SnapshotStatus {
    SnapshotStatus {
        volume_id,
        snapshot_id: None,
        device: None,
        size_gib: None,
        state: reason.as_str().to_owned(),
        progress_percent: None,
        encrypted: None,
        kms_key_arn: None,
        locked_until: None,
        archived: false,
        shared_with: Vec::new(),
        digest_percent: None,
        digest: None,
        message: super::clip(why, 512),
    }
}

fn snapshot(told: &Told<'_, EvidenceSnapshot>, volume: &VolumeId, id: &SnapshotId) -> SnapshotStatus {
    let seen: Option<&Snapshot> =
        told.seen.snapshots.value().and_then(|all| all.iter().find(|snapshot| snapshot.id == *id));
    let settled = told.record.settled.get(id);
    let state = match (settled.map(String::as_str), seen.map(|s| s.state)) {
        (Some("completed"), _) | (None, Some(SnapshotState::Completed)) => "completed",
        (Some(_), _) | (None, Some(SnapshotState::Error)) => "error",
        _ => "pending",
    };
    // Whole quarters: a status that is written at each percent would be written a hundred times.
    let progress = seen.map(|snapshot| if state == "completed" { 100 } else { snapshot.progress / 25 * 25 });
    let Bytes { digest_percent, digest, contradicted } = bytes(told, id);
    let message = told.record.given_up.get(&format!("Shared/{id}")).or(settled.filter(|s| s.as_str() != "completed"));
    let message = contradicted.as_ref().or(message);
    SnapshotStatus {
        volume_id: volume.clone(),
        snapshot_id: Some(id.clone()),
        device: None,
        size_gib: seen.and_then(|snapshot| u32::try_from(snapshot.size_gib).ok()),
        state: state.to_owned(),
        progress_percent: progress.or_else(|| settled.filter(|s| s.as_str() == "completed").map(|_| 100)),
        encrypted: seen.map(|snapshot| snapshot.key.is_some()),
        kms_key_arn: seen.and_then(|snapshot| snapshot.key.clone()),
        locked_until: told.record.locked.get(id).copied().flatten().map(meta_time),
        archived: told.record.keeping.archived.contains(id),
        digest_percent,
        digest,
        shared_with: told.record.shared.get(id).into_iter().flatten().take(16).cloned().collect(),
        message: message.map(|message| super::clip(message, 512)).unwrap_or_default(),
    }
}
