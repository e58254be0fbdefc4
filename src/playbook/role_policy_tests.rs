//! Given a document, expect what it says of whom, and that somebody else's says nothing.

use super::*;
use crate::playbook::sample;

const ROLE: &str = "AROAEXAMPLE0123456789";

fn host(n: usize) -> InstanceId {
    InstanceId::parse(&format!("i-{n:017x}")).unwrap()
}

fn all() -> Denied {
    Denied { scope: Scope::All, issued_before: None }
}

fn three() -> RolePolicy {
    RolePolicy::default()
        .with(&host(1), all())
        .with(&host(2), Denied { scope: Scope::AllButAgent, issued_before: None })
        .with(&host(3), Denied { scope: Scope::All, issued_before: Some(sample::at(0)) })
}

#[test]
fn what_is_written_is_what_iam_evaluates() {
    let document: Json = serde_json::from_str(&three().document(ROLE)).unwrap();
    let [but_agent, all, before] = document["Statement"].as_array().unwrap().as_slice() else { panic!("{document}") };
    for statement in [but_agent, all, before] {
        assert_eq!((&statement["Effect"], &statement["Resource"]), (&json!("Deny"), &json!("*")));
    }
    let user = |n: usize| format!("{ROLE}:{}", host(n));
    assert_eq!(but_agent["Condition"], json!({"StringEquals": {"aws:userid": [user(2)]}}));
    assert!(but_agent.get("Action").is_none() && but_agent["NotAction"].to_string().contains("ssmmessages:*"));
    assert!(!but_agent["NotAction"].to_string().contains("SendCommand"), "the agent takes commands, and gives none");
    assert_eq!(
        (&all["Action"], &all["Condition"]["StringEquals"]["aws:userid"]),
        (&json!("*"), &json!([user(1), user(3)]))
    );
    assert_eq!(before["Condition"], json!({"DateLessThan": {"aws:TokenIssueTime": "2027-01-15T08:00:00Z"}}));
    assert_eq!(three().characters(ROLE), three().document(ROLE).len(), "it has no white space");
}

#[test]
fn what_is_written_is_read_again_in_whichever_order() {
    let policy = three();
    assert_eq!(RolePolicy::parse(&policy.document(ROLE), ROLE), Some(policy.clone()));
    let mut document: Json = serde_json::from_str(&policy.document(ROLE)).unwrap();
    document["Statement"].as_array_mut().unwrap().reverse();
    for statement in document["Statement"].as_array_mut().unwrap() {
        if let Some(Json::Array(users)) = statement.pointer_mut("/Condition/StringEquals/aws:userid") {
            users.reverse();
        }
    }
    assert_eq!(RolePolicy::parse(&serde_json::to_string_pretty(&document).unwrap(), ROLE), Some(policy));
}

#[test]
fn one_host_leaves_and_the_others_stay() {
    let policy = three().with(&host(3), Denied::default());
    assert_eq!((policy.len(), policy.of(&host(1)), policy.of(&host(3))), (2, all(), Denied::default()));
    let none = policy.with(&host(1), Denied::default()).with(&host(2), Denied::default());
    assert!(none.is_empty() && none.characters(ROLE) == 0);
}

#[test]
fn nobody_elses_document_is_taken_for_ours() {
    let ours: Json = serde_json::from_str(&three().document(ROLE)).unwrap();
    let changed = |pointer: &str, value: Json| {
        let mut document = ours.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        document
    };
    let added = |pointer: &str, name: &str, value: Json| {
        let mut document = ours.clone();
        document.pointer_mut(pointer).unwrap()[name] = value;
        document
    };
    let allow = json!({"Sid": "D", "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let others = [
        json!({"Version": "2012-10-17", "Statement": []}),
        json!({"Version": "2012-10-17", "Statement": [allow]}),
        changed("/Version", json!("2008-10-17")),
        changed("/Statement/1/Effect", json!("Allow")),
        changed("/Statement/1/Action", json!("s3:*")),
        changed("/Statement/1/Resource", json!("arn:aws:s3:::web")),
        changed("/Statement/0/NotAction", json!(["*"])),
        changed("/Statement/1/Condition/StringEquals/aws:userid/0", json!("AROAOTHER:i-00000000000000001")),
        changed("/Statement/1/Condition/StringEquals/aws:userid/0", json!(format!("{ROLE}:*"))),
        changed("/Statement/2/Condition/DateLessThan/aws:TokenIssueTime", json!("soon")),
        added("/Statement/1/Condition", "Bool", json!({"aws:SecureTransport": "true"})),
        added("/Statement/1", "Principal", json!("*")),
        added("", "Id", json!("x")),
    ];
    for document in others {
        assert_eq!(RolePolicy::parse(&document.to_string(), ROLE), None, "{document}");
    }
    assert_eq!(RolePolicy::parse("Version: 2012-10-17", ROLE), None);
    assert_eq!(RolePolicy::parse(&three().document(ROLE), "AROAOTHER"), None, "of a role that was made anew");
}

#[test]
fn a_value_says_what_it_was_made_of() {
    for scope in [Scope::Nothing, Scope::AllButAgent, Scope::All] {
        for issued_before in [None, Some(cut_off(sample::at(7)))] {
            let denied = Denied { scope, issued_before };
            assert_eq!(Denied::of_value(&denied.as_value()), Some(denied));
        }
    }
    for other in ["", "everything", "all, and all of the role before long"] {
        assert_eq!(Denied::of_value(&Value::Text(other.to_owned())), None, "{other}");
    }
}

/// A session that is issued in the second of the decision is denied too.
#[test]
fn the_cut_off_is_not_before_the_decision() {
    let now = sample::at(0) + jiff::SignedDuration::from_millis(900);
    assert!(cut_off(now) > now);
    assert_eq!(cut_off(now), sample::at(1));
}

/// How many hosts of a role fit, where it has no other inline policy.
#[test]
fn two_hundred_hosts_of_a_role_fit() {
    let many = (0..220).fold(RolePolicy::default(), |policy, n| policy.with(&host(n), all()));
    assert!(many.characters(ROLE) <= CHARACTERS, "{}", many.characters(ROLE));
    let more = (0..260).fold(RolePolicy::default(), |policy, n| policy.with(&host(n), all()));
    assert!(more.characters(ROLE) > CHARACTERS, "{}", more.characters(ROLE));
}
