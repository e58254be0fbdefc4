use serde_json::json;

use super::*;
use crate::api::approval::Action;

fn minimal() -> AwsAccountSpec {
    serde_json::from_value(json!({ "accountId": "111122223333", "regions": ["eu-west-1"] })).unwrap()
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let spec = minimal();
    assert_eq!(spec.partition.as_str(), "aws");
    assert_eq!(spec.evidence.lock, LockDefault { mode: LockMode::Governance, days: 365 });
    assert_eq!(spec.naming.group_prefix, "baseline");
    assert_eq!(spec.naming.tag_prefix, "ops");
    assert!((spec.budget.share - 0.8).abs() < f64::EPSILON);
    assert_eq!(spec.recheck_seconds(), 60);
    assert!(!spec.allows_namespace("incident-response"));
    assert!(!spec.approval.requires(Action::Isolate));
    assert!(spec.approval.requires(Action::Release));
    assert_eq!(spec.approval.approvers.of(Action::Release), 1);
}

#[test]
fn intervals() {
    for (text, seconds) in [("60s", 60), ("5m", 300), ("2h", 7200), ("", 60), ("x", 60), ("s", 60)] {
        let spec = AwsAccountSpec { recheck: text.into(), ..minimal() };
        assert_eq!(spec.recheck_seconds(), seconds, "{text:?}");
    }
}

#[test]
fn approvers_are_named_like_the_actions() {
    let counts = serde_json::to_value(ApproverCounts::default()).unwrap();
    for action in Action::ALL {
        assert_eq!(counts[action.as_str()], 1, "{action}");
    }
}
