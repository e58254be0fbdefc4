//! Given what was decided, expect what `kubectl get quar` shows.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::api::conditions::Reason;
use crate::playbook::decide::Plan;
use crate::playbook::project::verdict;
use crate::playbook::sample::{self, Bench};
use crate::playbook::step::Refusal;

fn status(bench: &Bench<Quarantine>, plan: &Plan<Quarantine>, standing: &Json) -> Json {
    let errors = BTreeMap::new();
    let site = Site { account_ref: "prod".to_owned(), region: None, instance: None };
    Quarantine::status(Told {
        subject: &bench.subject,
        spec: &bench.spec,
        standing,
        site: Some(&site),
        account: &bench.account,
        plan,
        errors: &errors,
        verdict: &verdict(plan, &errors),
        conditions: Vec::new(),
        generation: 1,
        seen: &bench.seen(),
        record: &bench.record,
        head: None,
    })
}

fn columns(status: &Json) -> [&str; 3] {
    ["level", "isolated", "flows"].map(|column| status["summary"][column].as_str().unwrap())
}

fn throttled() -> Plan<Quarantine> {
    Plan::refused(Refusal::new(Reason::Throttled, "m"))
}

#[test]
fn flows_are_open_or_unknown_and_never_called_cut() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(2, 1));
    assert_eq!(columns(&status(&bench, &throttled(), &Json::Null)), ["None", "No", "-"]);
    bench.settle();
    assert_eq!(columns(&status(&bench, &bench.plan(), &Json::Null)), ["Protected", "No", "-"]);

    bench.spec.level = Level::Isolated;
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    assert_eq!(columns(&status(&bench, &bench.plan(), &Json::Null)), ["Protected", "AwaitingApproval", "Open"]);

    bench.approvals.push(sample::yes(&bench.record, Action::Isolate));
    bench.settle();
    assert_eq!(columns(&status(&bench, &bench.plan(), &Json::Null)), ["Isolated", "2/2", "Unknown"]);
    bench.world.interfaces.get_mut(&sample::interface(0)).unwrap().interface.groups = [sample::group(0)].into();
    assert_eq!(columns(&status(&bench, &bench.plan(), &Json::Null)), ["Protected", "1/2", "Open"]);

    bench.settle();
    bench.record.released = true;
    assert_eq!(columns(&status(&bench, &bench.plan(), &Json::Null)), ["Released", "Released", "-"]);
}

#[test]
fn a_decision_that_was_refused_takes_nothing_back_that_was_shown() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.settle();
    bench.spec.level = Level::Released;
    bench.settle();
    let before = status(&bench, &bench.plan(), &Json::Null);
    assert!(before["plan"]["hash"].is_string() && before["parts"][0]["name"].is_string(), "{before}");
    let after = status(&bench, &throttled(), &before);
    assert_eq!(columns(&after), columns(&before));
    assert_eq!((&after["plan"], &after["parts"]), (&before["plan"], &before["parts"]));
    assert_eq!(after["summary"]["ready"], "Throttled");
    assert_ne!(columns(&after)[1], "No");
}

#[test]
fn a_host_that_is_stuck_holds_up_no_other() {
    let mut object = api::Quarantine::new("web", sample::quarantine_spec(Level::Isolated));
    assert!(!is_stalled(&object));
    for (status, stalled) in [("True", true), ("False", false)] {
        let conditions = json!([{
            "type": "Stalled", "status": status, "reason": "PermissionMissing", "message": "m",
            "lastTransitionTime": "2026-11-01T00:00:00Z",
        }]);
        object.status = serde_json::from_value(json!({"conditions": conditions})).unwrap();
        assert_eq!(is_stalled(&object), stalled);
    }
}

/// What takes more calls than one round comes after the isolation, from the very first look on.
#[test]
fn what_only_more_calls_tell_is_not_on_the_way_to_isolation() {
    let object = |level| api::Quarantine::new("web", sample::quarantine_spec(level));
    let mut account = sample::account();
    let mut record = Record::default();
    assert!(hurries(&object(Level::Isolated), &account, &record), "the first look");
    assert!(!hurries(&object(Level::Protected), &account, &record), "nothing to hurry for");
    record.opened = Some(now());
    assert!(hurries(&object(Level::Isolated), &account, &record));
    account.required.insert(Action::Isolate, 1);
    assert!(!hurries(&object(Level::Isolated), &account, &record), "a person reads the plan first");
    account.required.clear();
    record.contained_at = Some(now());
    assert!(!hurries(&object(Level::Isolated), &account, &record), "closed already");
}
