//! Given what the chain says and what is seen, expect what holding and giving back take. And names that survive a trip.

use proptest::prelude::*;

use super::*;
use crate::api::ids::RoleName;
use crate::playbook::record::{Applied, OperationId};
use crate::playbook::sample;

fn attribute() -> Attribute {
    Attribute::TerminationProtection
}

fn value(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Baseline, what we set, and whether AWS has shown our value.
fn record(baseline: Option<&str>, applied: Option<&str>, verified: bool) -> Record {
    let mut record = Record::default();
    record.baseline.extend(baseline.map(|text| (attribute(), value(text))));
    record.applied.extend(
        applied.map(|text| (attribute(), Applied { value: value(text), operation: OperationId("o".to_owned()) })),
    );
    record.verified.extend(verified.then(attribute));
    record
}

#[test]
fn holding() {
    let names = |hold: &Hold| -> Vec<&'static str> {
        let name = |fact: &Fact| match fact {
            Fact::Baseline { .. } => "baseline",
            Fact::Drift { .. } => "drift",
            Fact::Verified { .. } => "verified",
            _ => "other",
        };
        hold.facts.iter().map(name).collect()
    };
    // Baseline, set by us, verified, seen; in place, facts. We wish "ours".
    let table: [(Option<&str>, Option<&str>, bool, &str, bool, &[&str]); 12] = [
        (None, None, false, "before", false, &["baseline"]),
        (None, None, false, "ours", true, &["baseline", "verified"]),
        (Some("before"), None, false, "before", false, &[]),
        (Some("before"), None, false, "changed", false, &["baseline"]),
        (Some("before"), Some("ours"), false, "before", false, &[]),
        (Some("before"), Some("ours"), false, "ours", true, &["verified"]),
        (Some("before"), Some("ours"), true, "ours", true, &[]),
        (Some("before"), Some("ours"), true, "foreign", false, &["drift"]),
        (Some("before"), Some("ours"), true, "before", false, &["drift"]),
        (Some("ours"), None, true, "foreign", false, &["drift"]),
        (Some("before"), Some("older wish"), true, "older wish", false, &[]),
        (Some("before"), Some("older wish"), true, "foreign", false, &["drift"]),
    ];
    for (baseline, applied, verified, seen, in_place, facts) in table {
        let hold = hold(&record(baseline, applied, verified), &attribute(), &value("ours"), &value(seen));
        let given = format!("{baseline:?} {applied:?} {verified} {seen}");
        assert_eq!((hold.in_place, names(&hold).as_slice()), (in_place, facts), "{given}");
    }
}

#[test]
fn giving_back() {
    let restored = || Release::Done(vec![Fact::Restored { attribute: attribute() }]);
    let left =
        |seen: Option<&str>| Release::Done(vec![Fact::LeftAsFound { attribute: attribute(), value: seen.map(value) }]);
    let nothing = || Release::Done(Vec::new());
    let restore = || Release::Restore(value("before"));
    // Baseline, set by us, seen; at once; when nothing can be on its way any more.
    let table = [
        (None, None, Some("x"), nothing(), nothing()),
        (Some("before"), None, Some("x"), nothing(), nothing()),
        (Some("before"), Some("ours"), Some("ours"), restore(), restore()),
        (Some("before"), Some("ours"), Some("before"), Release::Wait, restored()),
        (Some("before"), Some("ours"), Some("foreign"), Release::Wait, left(Some("foreign"))),
        (Some("before"), Some("ours"), None, Release::Wait, left(None)),
        (Some("same"), Some("same"), Some("same"), Release::Wait, restored()),
    ];
    for (baseline, applied, seen, early, late) in table {
        let record = record(baseline, applied, true);
        let seen = seen.map(value);
        let given = format!("{baseline:?} {applied:?} {seen:?}");
        assert_eq!(release(&record, &attribute(), seen.as_ref(), false), early, "{given}");
        assert_eq!(release(&record, &attribute(), seen.as_ref(), true), late, "{given}");
        let mut over = record;
        over.given_back.insert(attribute(), None);
        assert_eq!(release(&over, &attribute(), seen.as_ref(), true), nothing(), "once is enough");
    }
}

#[test]
fn names_that_this_version_does_not_know() {
    for name in [
        "",
        "groups",
        "groups/",
        "groups/sg-00000001",
        "deleteOnTermination/x",
        "disableApiTermination/x",
        "sessions/web",
        "other",
    ] {
        let error = Attribute::try_from(name.to_owned()).unwrap_err();
        assert!(error.to_string().contains(name));
        assert!(serde_json::from_value::<Attribute>(name.into()).is_err());
    }
}

fn attributes() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (0..usize::MAX >> 33).prop_map(|n| Attribute::Groups(sample::interface(n))),
        (0..usize::MAX >> 33).prop_map(|n| Attribute::DeleteOnTermination(sample::volume(n))),
        Just(Attribute::TerminationProtection),
        Just(Attribute::StopProtection),
        Just(Attribute::ShutdownBehavior),
        ("[A-Za-z0-9_+=,.@-]{1,64}", "[a-z0-9-]{1,32}").prop_map(|(role, name)| {
            Attribute::Sessions(InlinePolicy { role: RoleName::parse(&role).unwrap(), name })
        }),
        Just(Attribute::MetadataService),
        Just(Attribute::MetadataOptions),
        Just(Attribute::InstanceProfile),
    ]
}

proptest! {
    #[test]
    fn a_name_survives_a_trip(attribute in attributes()) {
        prop_assert_eq!(&Attribute::try_from(attribute.to_string()).unwrap(), &attribute);
        let json = serde_json::to_value(&attribute).unwrap();
        prop_assert_eq!(serde_json::from_value::<Attribute>(json).unwrap(), attribute);
    }

    #[test]
    fn a_value_survives_a_trip(flag: bool, text in "[a-z]{0,8}", ids in proptest::collection::btree_set("[a-z0-9-]{1,8}", 0..4)) {
        for value in [Value::Flag(flag), Value::Text(text.clone()), Value::Set(ids.clone())] {
            let json = serde_json::to_value(&value).unwrap();
            prop_assert_eq!(serde_json::from_value::<Value>(json).unwrap(), value);
        }
    }
}
