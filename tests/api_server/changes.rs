//! What may become of an object once it is there.

use crate::world::{ADMIN, ALICE, BOB, Who, World, accepted, refused, with};
use serde_json::{Value, json};

async fn at_level(world: &World, level: &str) -> Value {
    let name = format!("at-{}", level.to_lowercase());
    let object = with(world.quarantine(&name), "/spec/level", Some(json!(level)));
    accepted(level, world.create(ALICE, object).await)
}

#[tokio::test]
async fn levels_only_rise_until_released() {
    let world = World::new().await;
    let table = [
        ("Protected", "Isolated", true),
        ("Protected", "Detached", true),
        ("Detached", "Isolated", true),
        ("Detached", "Released", true),
        ("Detached", "Protected", false),
        ("Isolated", "Detached", false),
        ("Protected", "Released", true),
        ("Isolated", "Released", true),
        ("Isolated", "Isolated", true),
        ("Isolated", "Protected", false),
        ("Released", "Protected", false),
        ("Released", "Isolated", false),
        ("Released", "Released", true),
    ];
    for (from, to, allowed) in table {
        let object = at_level(&world, from).await;
        let what = format!("{from} to {to}");
        let answer = world.change(ALICE, &object, json!({"spec": {"level": to}})).await;
        if allowed {
            accepted(&what, answer);
        } else {
            refused(
                &what,
                answer,
                &["spec.level", &format!("from '{from}' to '{to}'"), "levels only rise", "Released is final"],
            );
        }
        accepted("delete", world.delete(ALICE, &object).await);
    }
    let case = accepted("case", world.create(ALICE, world.case("miner")).await);
    let back = world.change(ALICE, &case, json!({"spec": {"containment": {"level": "Protected"}}})).await;
    refused("case back", back, &["spec.containment.level", "from 'Isolated' to 'Protected'"]);
    accepted(
        "case released",
        world.change(ALICE, &case, json!({"spec": {"containment": {"level": "Released"}}})).await,
    );
    let again = world.change(ALICE, &case, json!({"spec": {"containment": {"level": "Isolated"}}})).await;
    refused("case again", again, &["spec.containment.level", "from 'Released' to 'Isolated'"]);
}

/// Given an object and changes of it in turn, expect each taken or refused in these words.
async fn table(world: &World, who: Who, object: &Value, rows: Vec<(Value, Result<(), &[&str]>)>) {
    for (change, expected) in rows {
        let what = format!("{} {change}", object["kind"]);
        let answer = world.change(who, object, json!({"spec": change})).await;
        match expected {
            Ok(()) => drop(accepted(&what, answer)),
            Err(words) => refused(&what, answer, words),
        }
    }
}

#[tokio::test]
async fn quarantines() {
    let world = World::new().await;
    let object = accepted("quarantine", world.create(ALICE, world.quarantine("web")).await);
    table(
        &world,
        ALICE,
        &object,
        vec![
            (
                json!({"target": {"instanceId": "i-1a2b3c4d"}}),
                Err(&["spec.target is immutable", "eu-west-1 i-0123456789abcdef0'", "eu-west-1 i-1a2b3c4d'"]),
            ),
            (json!({"target": {"accountRef": "other"}}), Err(&["spec.target is immutable"])),
            (json!({"target": null}), Err(&["spec.target", "Required value"])),
            (json!({"isolation": {"pulse": "Never"}}), Ok(())),
            (json!({"caseRef": {"name": "miner"}}), Ok(())),
            (json!({"caseRef": {"name": "other"}}), Err(&["spec.caseRef is immutable once set"])),
            (json!({"caseRef": null}), Err(&["spec.caseRef is immutable once set"])),
            (json!({"isolation": {"metadataService": "Leave"}}), Ok(())),
            (json!({"isolation": {"publicAddress": "Leave"}}), Ok(())),
            (
                json!({"isolation": {"publicAddress": "Move"}}),
                Err(&["spec.isolation.publicAddress", "Unsupported value"]),
            ),
            (json!({"isolation": {"credentials": {"sessions": "RevokeRole", "profile": "Remove"}}}), Ok(())),
            (json!({"level": "Released", "isolation": {"pulse": "Auto"}}), Ok(())),
            (
                json!({"isolation": {"pulse": "Never"}}),
                Err(&["spec.isolation is immutable once spec.level is 'Released'", "pulse Auto", "pulse Never"]),
            ),
            (
                json!({"isolation": {"metadataService": "Disable", "credentials": {"sessions": "Leave"}}}),
                Err(&["metadataService Leave", "metadataService Disable", "sessions RevokeRole", "sessions Leave"]),
            ),
            (json!({"isolation": null}), Err(&["spec.isolation is immutable", "metadataService Disable"])),
        ],
    )
    .await;
}

#[tokio::test]
async fn accounts() {
    let world = World::new().await;
    let object = world.aws_account();
    table(
        &world,
        ADMIN,
        &object,
        vec![
            (
                json!({"accountId": "444455556666"}),
                Err(&["spec.accountId is immutable", "'111122223333'", "'444455556666'"]),
            ),
            (
                json!({"partition": "aws-cn", "regions": ["cn-north-1"]}),
                Err(&["spec.partition is immutable", "'aws'", "'aws-cn'"]),
            ),
            (json!({"endpointUrl": "http://127.0.0.1:5000"}), Ok(())),
            (json!({"endpointUrl": "http://127.0.0.1:6000"}), Err(&["spec.endpointUrl is immutable once set"])),
            (json!({"endpointUrl": null}), Err(&["spec.endpointUrl is immutable once set"])),
            (json!({"regions": ["eu-west-1", "eu-west-2"], "recheck": "5m"}), Ok(())),
        ],
    )
    .await;
}

#[tokio::test]
async fn evidence() {
    let world = World::new().await;
    let object = accepted("evidence", world.create(ALICE, world.evidence("disk")).await);
    table(
        &world,
        ALICE,
        &object,
        vec![
            (json!({"source": {"instance": {"region": "eu-west-2"}}}), Err(&["spec.source is immutable"])),
            (
                json!({"source": {"instance": {"excludeVolumeIds": ["vol-1a2b3c4d"]}}}),
                Err(&["spec.source is immutable"]),
            ),
            (json!({"moment": "AfterIsolation"}), Err(&["spec.moment is immutable", "'AtOnce'", "'AfterIsolation'"])),
            (json!({"keyAccess": "KeyPolicy"}), Err(&["spec.keyAccess is immutable", "'Grant'", "'KeyPolicy'"])),
            (json!({"lock": {"until": "2027-11-24T00:00:00Z"}}), Ok(())),
            (
                json!({"lock": {"until": "2027-11-23T00:00:00Z"}}),
                Err(&["lock.until", "may only be moved later", "2027-11-23"]),
            ),
            (json!({"lock": {"until": "2027-11-24T01:00:00+02:00"}}), Err(&["lock.until", "may only be moved later"])),
            (json!({"lock": {"until": "2028-11-24T00:00:00Z", "mode": "Compliance"}}), Ok(())),
            (json!({"lock": {"mode": "Governance"}}), Err(&["lock.mode", "'Compliance' to 'Governance'"])),
            (json!({"lock": null}), Err(&["spec.lock cannot be removed once set"])),
            (json!({"retainUntil": "2030-01-01T00:00:00Z"}), Ok(())),
            (
                json!({"retainUntil": "2029-12-31T23:59:59Z"}),
                Err(&["spec.retainUntil", "may only be moved later", "2029-12-31"]),
            ),
            (json!({"retainUntil": null}), Err(&["spec.retainUntil cannot be removed once set"])),
            (json!({"retainUntil": "2031-01-01T00:00:00Z"}), Ok(())),
            (json!({"share": [{"accountRef": "forensics"}]}), Ok(())),
            (json!({"legalHold": false}), Ok(())),
        ],
    )
    .await;
}

#[tokio::test]
async fn cases() {
    let world = World::new().await;
    let object = accepted("case", world.create(ALICE, world.case("miner")).await);
    let host =
        |n: usize| json!({"accountRef": world.account, "region": "eu-west-1", "instanceId": format!("i-{n:08x}")});
    table(
        &world,
        ALICE,
        &object,
        vec![
            (json!({"targets": [world.target(), host(1)]}), Ok(())),
            (json!({"targets": [host(1), world.target()]}), Ok(())),
            (json!({"targets": [host(1)]}), Err(&["spec.targets can be added, never removed"])),
            (json!({"targets": [world.target(), host(2)]}), Err(&["spec.targets can be added, never removed"])),
            (json!({"title": "Two miners", "severity": "Critical"}), Ok(())),
            (
                json!({"evidence": {"moments": ["AfterIsolation"]}}),
                Err(&["spec.evidence.moments can be added, never removed"]),
            ),
            (json!({"evidence": {"retainUntil": "2030-01-01T00:00:00Z"}}), Ok(())),
            (
                json!({"evidence": {"retainUntil": "2029-01-01T00:00:00Z"}}),
                Err(&["retainUntil", "may only be moved later"]),
            ),
            (
                json!({"evidence": {"retainUntil": null}}),
                Err(&["spec.evidence.retainUntil cannot be removed once set"]),
            ),
            (json!({"evidence": null}), Err(&["spec.evidence.retainUntil cannot be removed once set"])),
            (json!({"evidence": {"lock": {"until": "2030-01-01T00:00:00Z", "mode": "Compliance"}}}), Ok(())),
            (json!({"evidence": {"lock": {"mode": "Governance"}}}), Err(&["lock.mode", "never weakened"])),
            (json!({"evidence": {"lock": null}}), Err(&["spec.evidence.lock cannot be removed once set"])),
        ],
    )
    .await;
}

#[tokio::test]
async fn approvals_are_create_only() {
    let world = World::new().await;
    let object = accepted("approval", world.create(BOB, world.approval("ok")).await);
    for change in [
        json!({"decision": "Deny"}),
        json!({"planHash": format!("sha256:{}", "1".repeat(64))}),
        json!({"requester": null}),
        json!({"breakGlass": true}),
    ] {
        let answer = world.change(Who::Mallory, &object, json!({"spec": change})).await;
        refused(&format!("approval {change}"), answer, &["spec is immutable: an Approval is create-only"]);
    }
}
