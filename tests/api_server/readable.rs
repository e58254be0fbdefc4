//! Whatever the API server takes, we can read: one object that our types refuse would break the list of all of them.

use crate::world::{ADMIN, ALICE, World, with};
use sequester::api::{AwsAccount, EvidenceSnapshot, ForensicCase, Quarantine};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Values that a weak rule would let pass.
fn nasty() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "x",
        "i-",
        "i-1a2b3c4d",
        "i-1a2b3c4d ",
        "i-1A2B3C4D",
        "i-0123456789abcdef0",
        "i-0123456789abcdef",
        "eu-west-1",
        "us-gov-west-1",
        "eu-west-1-",
        "a-b-1",
        "eusc-de-east-1",
        "eu-west-123",
        "111122223333",
        "１１１１２２２２３３３３",
        "111122223333\n",
        "arn:aws:iam::111122223333:role/x",
        "arn:aws:iam::111122223333:role/a/b+c=d,e.f@g-h_i",
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1",
        "arn:aws--x:kms:eu-west-1:111122223333:key/a",
        "2027-11-24T00:00:00Z",
        "2027-11-24T00:00:00.123456789Z",
        "2027-11-24T00:00:00+24:00",
        "2027-11-24T00:00:00-23:59",
        "2027-11-24t00:00:00z",
        "2027-11-24 00:00:00Z",
        "2027-11-24T24:00:00Z",
        "2027-11-24T23:59:60Z",
        "2027-02-29T00:00:00Z",
        "2999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00Z",
        "2027-11-24T00:00:00,5Z",
        "2027-11-24T00:00:00",
        "Protected",
        "protected",
        "Compliance",
        "60s",
        "99999h",
        "060s",
        "\u{202e}x",
        "a\u{0}b",
    ];
    let others = [
        json!(null),
        json!(0),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!({}),
    ];
    texts.iter().map(|text| json!(text)).chain(others).collect()
}

/// Puts every nasty value into every field, and reads what is taken.
async fn all_taken_can_be_read<K: DeserializeOwned>(world: &World, base: Value, fields: &[&str]) -> usize {
    let who = if base["kind"] == "AwsAccount" { ADMIN } else { ALICE };
    let mut taken = 0;
    for field in fields {
        for value in nasty() {
            let object = with(base.clone(), field, Some(value.clone()));
            if let Ok(stored) = world.dry_run(who, object).await {
                taken += 1;
                if let Err(error) = serde_json::from_value::<K>(stored) {
                    panic!("{} takes {field} = {value}, and we cannot read it: {error}", base["kind"]);
                }
            }
        }
    }
    taken
}

#[tokio::test]
async fn quarantines_and_cases() {
    let world = World::new().await;
    let fields = [
        "/spec/target/accountRef",
        "/spec/target/region",
        "/spec/target/instanceId",
        "/spec/level",
        "/spec/isolation",
        "/spec/isolation/pulse",
        "/spec/isolation/metadataService",
        "/spec/isolation/credentials",
        "/spec/isolation/credentials/sessions",
        "/spec/caseRef",
    ];
    let base = with(
        world.quarantine("web"),
        "/spec/isolation",
        Some(json!({"pulse": "Auto", "metadataService": "Leave", "credentials": {"sessions": "Leave"}})),
    );
    let taken = all_taken_can_be_read::<Quarantine>(&world, base, &fields).await;
    assert!(taken > 10, "{taken}");
    let fields = [
        "/spec/title",
        "/spec/severity",
        "/spec/targets",
        "/spec/targets/0/region",
        "/spec/containment",
        "/spec/evidence",
    ];
    let taken = all_taken_can_be_read::<ForensicCase>(&world, world.case("miner"), &fields).await;
    assert!(taken > 10, "{taken}");
}

#[tokio::test]
async fn evidence() {
    let world = World::new().await;
    let base = with(
        world.evidence("disk"),
        "/spec/lock",
        Some(json!({"mode": "Governance", "until": "2027-11-24T00:00:00Z"})),
    );
    let base = with(base, "/spec/share", Some(json!([{"accountRef": "forensics"}])));
    let key = "arn:aws:kms:eu-west-1:444455556666:key/k";
    let copy = json!({"accountRef": "forensics", "region": "eu-west-1", "kmsKeyArn": key, "attempts": 2});
    let base = with(base, "/spec/copies", Some(json!([copy])));
    let fields = [
        "/spec/copies",
        "/spec/copies/0/accountRef",
        "/spec/copies/0/region",
        "/spec/copies/0/kmsKeyArn",
        "/spec/copies/0/attempts",
        "/spec/lock",
        "/spec/lock/mode",
        "/spec/lock/until",
        "/spec/retainUntil",
        "/spec/legalHold",
        "/spec/share",
        "/spec/share/0/accountRef",
        "/spec/moment",
        "/spec/source/instance/region",
    ];
    let taken = all_taken_can_be_read::<EvidenceSnapshot>(&world, base, &fields).await;
    assert!(taken > 10, "{taken}");
}

#[tokio::test]
async fn accounts() {
    let world = World::new().await;
    let base = with(world.aws_account(), "/metadata/name", Some(json!("another")));
    let base = with(base, "/spec/role", Some(json!({"arn": "arn:aws:iam::111122223333:role/x"})));
    let base = with(base, "/spec/evidence", Some(json!({"lock": {"days": 1}})));
    let base = with(base, "/spec/approval", Some(json!({"approvers": {"Isolate": 1}})));
    let base = with(base, "/spec/budget", Some(json!({"share": 1})));
    let fields = [
        "/spec/accountId",
        "/spec/partition",
        "/spec/regions",
        "/spec/role",
        "/spec/role/arn",
        "/spec/role/externalId",
        "/spec/endpointUrl",
        "/spec/allowedNamespaces",
        "/spec/evidence/transferKeyArn",
        "/spec/evidence/lock/days",
        "/spec/evidence/lock",
        "/spec/approval",
        "/spec/approval/approvers/Isolate",
        "/spec/naming",
        "/spec/budget",
        "/spec/budget/share",
        "/spec/recheck",
    ];
    let taken = all_taken_can_be_read::<AwsAccount>(&world, base, &fields).await;
    assert!(taken > 10, "{taken}");
}
