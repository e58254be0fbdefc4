//! Quarantine: one host.

use kube::{Api, Client, ResourceExt};
use serde_json::Value as Json;

use super::super::cluster::meta_time;
use super::super::context::{Contained, Context};
use super::super::kind::{Kind, Site, Told};
use crate::api::approval::Action;
use crate::api::conditions::{Condition, STALLED};
use crate::api::quarantine::{self as api, Level, PartStatus, PlanStatus, QuarantineStatus, QuarantineSummary};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::{AskQuarantine, Cloud, Place, Witness};
use crate::playbook::attribute::Attribute;
use crate::playbook::auto_scaling::AutoScaling;
use crate::playbook::containment::cut_flows;
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::executor::Send as Sending;
use crate::playbook::record::Record;
use crate::playbook::step::{Account, Part, State};
use crate::playbook::{Quarantine, QuarantineSeen};

impl Kind for Quarantine {
    type Object = api::Quarantine;

    const KIND: &'static str = "Quarantine";
    const SHORT: &'static str = "quar";
    const CHAIN: bool = true;
    const HOLDS: bool = true;
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
        let target = &object.spec.target;
        Some(Site {
            account_ref: target.account_ref.clone(),
            region: Some(target.region.clone()),
            instance: Some(target.instance_id.clone()),
        })
    }

    fn nothing() -> QuarantineSeen {
        QuarantineSeen::nothing()
    }

    async fn observe<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        place: Option<&Place>,
        account: &Account,
        record: &Record,
    ) -> QuarantineSeen {
        let Some(place) = place.filter(|_| !record.released) else { return QuarantineSeen::nothing() };
        let mut ask = AskQuarantine::about(&object.spec, account, record);
        if hurries(object, account, record) {
            ask.surroundings = false;
            ask.balancers = None;
            ask.credentials = None;
            // Nearly half of the calls of a first look: the next one has them.
            ask.protections = record.opened.is_some();
        }
        let instance = &object.spec.target.instance_id;
        let (mut seen, node) = tokio::join!(
            biased;
            ctx.cloud.observe_quarantine(place, &ask),
            ctx.nodes.role_of(instance, |other| is_held(ctx, other)),
        );
        seen.node = node;
        seen.siblings_open = siblings_open(ctx, object);
        seen.pulse_fits = ctx.fence.has_time_for(Effect::REQUESTS_OF_A_PULSE);
        seen
    }

    async fn perform<C: Cloud>(
        ctx: &Context<C>,
        _object: &Self::Object,
        place: Option<&Place>,
        sending: &Sending<Effect>,
        witness: Option<&Witness>,
    ) -> Result<Receipt, CloudError> {
        super::super::perform::aws(ctx, place, sending, witness).await
    }

    fn ends(spec: &Self::Spec) -> bool {
        spec.level == Level::Released
    }

    fn remember<C: Cloud>(ctx: &Context<C>, object: &Self::Object, record: &Record) {
        let contained = record.contained_at.filter(|_| !record.released).map(|at| Contained {
            namespace: object.namespace().unwrap_or_default(),
            instance: object.spec.target.instance_id.clone(),
            at,
        });
        ctx.contained.put(object.uid().unwrap_or_default(), contained);
    }

    fn status(told: Told<'_, Self>) -> Json {
        let shown = Shown::of(&told);
        let summary = QuarantineSummary {
            instance: told.instance(),
            account: told.account.id.to_string(),
            region: told.region(),
            level: shown.level,
            auto_scaling: shown.auto_scaling,
            isolated: shown.isolated,
            flows: shown.flows,
            ready: told.ready(),
        };
        let status = QuarantineStatus {
            observed_generation: Some(told.generation),
            conditions: told.conditions.clone(),
            summary,
            plan: shown.plan,
            parts: shown.parts,
            survivors: shown.survivors,
            exposed_since: Some(meta_time(told.subject.created)),
            contained_at: told.record.contained_at.map(meta_time),
            record: told.chain(),
        };
        serde_json::to_value(status).unwrap_or_default()
    }

    fn standing(object: &Self::Object) -> (Json, Vec<Condition>) {
        super::standing(object.status.as_ref(), |status| &status.conditions)
    }

    /// Only what never held anything, or holds nothing any more.
    fn may_go<C: Cloud>(_ctx: &Context<C>, _object: &Self::Object, record: &Record) -> bool {
        record.released || record.opened.is_none()
    }
}

/// Lines that a status has room for.
const SURVIVORS: usize = 48;

/// What a status shows of a host, beside what the object declares.
#[derive(Debug, PartialEq)]
struct Shown {
    level: String,
    auto_scaling: String,
    isolated: String,
    flows: String,
    plan: Option<PlanStatus>,
    parts: Vec<PartStatus>,
    survivors: Vec<String>,
}

impl Shown {
    /// As it is now. A decision that was refused looked at nothing: what was shown before stands, as the conditions of the
    /// steps do.
    fn of(told: &Told<'_, Quarantine>) -> Self {
        if told.plan.refused.is_some()
            && !told.record.released
            && let Ok(before) = serde_json::from_value::<QuarantineStatus>(told.standing.clone())
            && !before.summary.level.is_empty()
        {
            let QuarantineSummary { level, auto_scaling, isolated, flows, .. } = before.summary.clone();
            let QuarantineStatus { plan, parts, survivors, .. } = before;
            return Self { level, auto_scaling, isolated, flows, plan, parts, survivors };
        }
        let isolated = told.step("Isolated");
        let interfaces = isolated.map(|step| step.parts.as_slice()).unwrap_or_default();
        let steps = told.plan.steps.iter().filter(|step| step.name != cut_flows::NAME);
        let parts = steps.flat_map(|step| &step.parts).take(128).map(|part| PartStatus {
            name: part.name.clone(),
            kind: part.kind.to_owned(),
            state: part.state.clone(),
            message: part.message.clone(),
        });
        Self {
            level: reached(told),
            auto_scaling: auto_scaling(told),
            isolated: isolation(told, isolated.and_then(|step| step.state.as_ref()), interfaces),
            flows: flows(told, interfaces).to_owned(),
            plan: super::plan_status(told),
            parts: parts.collect(),
            survivors: survivors(told),
        }
    }
}

/// A line for each path that can still carry traffic of the host.
fn survivors(told: &Told<'_, Quarantine>) -> Vec<String> {
    let parts = told.step(cut_flows::NAME).map(|step| step.parts.as_slice()).unwrap_or_default();
    let lines = parts.iter().take(SURVIVORS).map(|part| {
        let mut line = format!("{}: {}", part.name, part.message);
        line.truncate(line.floor_char_boundary(512));
        line
    });
    let mut lines: Vec<String> = lines.collect();
    if let (Some(last), more @ 1..) = (lines.last_mut(), parts.len().saturating_sub(SURVIVORS)) {
        *last = format!("{} more paths", more + 1);
    }
    lines
}

/// Where the host stands in its Auto Scaling group, as AWS spells it.
fn auto_scaling(told: &Told<'_, Quarantine>) -> String {
    let taken_out = told.record.applied.contains_key(&Attribute::AutoScalingGroup) && !told.record.released;
    match told.seen.auto_scaling.value() {
        None => String::new(),
        Some(AutoScaling { membership: Some(member), .. }) => member.lifecycle_state.clone(),
        Some(_) if taken_out => "Detached".to_owned(),
        Some(_) => "-".to_owned(),
    }
}

/// Interfaces closed of all, or why it is not known.
fn isolation(told: &Told<'_, Quarantine>, state: Option<&State>, interfaces: &[Part]) -> String {
    match state {
        _ if told.record.released => "Released".to_owned(),
        None => "No".to_owned(),
        Some(State::Awaiting(_)) => "AwaitingApproval".to_owned(),
        Some(_) if interfaces.is_empty() => told.ready(),
        Some(_) => {
            let closed = interfaces.iter().filter(|part| is_closed(part)).count();
            format!("{closed}/{}", interfaces.len())
        }
    }
}

/// What is known of flows. Nobody can see a tracked one: closed interfaces say nothing of those that were open before.
fn flows(told: &Told<'_, Quarantine>, interfaces: &[Part]) -> &'static str {
    match interfaces {
        _ if told.record.released => "-",
        [] => "-",
        all if all.iter().all(is_closed) => "Unknown",
        _ => "Open",
    }
}

fn is_closed(part: &Part) -> bool {
    part.state == "Closed"
}

/// The level that is reached, which may lag behind the declared one.
fn reached(told: &Told<'_, Quarantine>) -> String {
    let done = |name: &str| told.step(name).and_then(|step| step.state.as_ref()).is_some_and(State::is_settled);
    // What is in no group needs not be taken out of one: that is no level that it reached.
    let state = told.step("Detached").and_then(|step| step.state.as_ref());
    let detached = matches!(state, Some(State::Done(_)));
    let level = if told.record.released {
        Level::Released
    } else if done("Isolated") {
        Level::Isolated
    } else if detached || told.spec.level == Level::Detached && done("Detached") {
        Level::Detached
    } else if done("Protected") {
        Level::Protected
    } else {
        return "None".to_owned();
    };
    level.as_str().to_owned()
}

/// Whether the host is on its way to isolation, with nothing to wait for: then what only more calls tell is read after
/// it. Bounded, so that a host that can't be isolated is described all the same.
fn hurries(object: &api::Quarantine, account: &Account, record: &Record) -> bool {
    const SECONDS: i64 = 15;
    // At the first look of all nothing is written down yet.
    let young = record.opened.is_none_or(|opened| now().as_second() - opened.as_second() < SECONDS);
    // A person decides before anything else is done, by a plan that names what is around the host.
    let awaits = account.required.contains_key(&Action::Isolate) && !record.decisions.contains_key(&Action::Isolate);
    object.spec.level == Level::Isolated && record.contained_at.is_none() && young && !awaits
}

/// Hosts of the same case that are to be isolated and are not closed yet. One that is stuck until a person acts, and may
/// never be closed, keeps the flows of the others no longer.
fn siblings_open<C: Cloud>(ctx: &Context<C>, object: &api::Quarantine) -> usize {
    let Some(case) = &object.spec.case_ref else { return 0 };
    let namespace = object.namespace();
    ctx.quarantines
        .state()
        .iter()
        .filter(|other| other.uid() != object.uid() && other.namespace() == namespace)
        .filter(|other| other.spec.case_ref.as_ref() == Some(case) && other.spec.level == Level::Isolated)
        .filter(|other| !is_stalled(other))
        .filter(|other| ctx.contained_at(namespace.as_deref(), &other.spec.target.instance_id).is_none())
        .count()
}

/// Whether a host is cut off, or is to be.
fn is_held<C: Cloud>(ctx: &Context<C>, instance: &str) -> bool {
    let holds = |quarantine: &api::Quarantine| {
        quarantine.spec.level == Level::Isolated && quarantine.spec.target.instance_id.as_str() == instance
    };
    ctx.quarantines.state().iter().any(|quarantine| holds(quarantine))
}

fn is_stalled(object: &api::Quarantine) -> bool {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == STALLED && condition.status == "True")
}

#[cfg(test)]
#[path = "quarantine_tests.rs"]
mod tests;
