//! Objects that are wrong by themselves: the refusal names field, value and rule.

use crate::world::{ADMIN, ALICE, BOB, INSTANCE, World, accepted, refused, with};
use serde_json::{Value, json};

/// A field, what it is set to (nothing: left out), and words of the refusal.
pub type Row = (&'static str, Option<Value>, &'static [&'static str]);

pub async fn table(world: &World, base: &Value, rows: Vec<Row>) {
    let who = match base["kind"].as_str() {
        Some("AwsAccount") => ADMIN,
        Some("Approval") => BOB,
        _ => ALICE,
    };
    accepted("unchanged", world.dry_run(who, base.clone()).await);
    for (field, value, words) in rows {
        let what = format!("{} with {field} = {value:?}", base["kind"]);
        refused(&what, world.dry_run(who, with(base.clone(), field, value)).await, words);
    }
}

/// A copy to a Region under a key of a Region.
fn copy(region: &str, key: &str) -> Value {
    json!({
        "accountRef": "forensics", "region": region,
        "kmsKeyArn": format!("arn:aws:kms:{key}:444455556666:key/k"),
    })
}

#[tokio::test]
async fn quarantines() {
    let world = World::new().await;
    table(
        &world,
        &world.quarantine("web"),
        vec![
            (
                "/spec/target/instanceId",
                Some(json!("i-XYZ")),
                &["spec.target.instanceId", "\"i-XYZ\"", "'^i-([0-9a-f]{8}|"],
            ),
            ("/spec/target/instanceId", Some(json!("i-0123456789abcdef0\n")), &["spec.target.instanceId", "Too long"]),
            ("/spec/target/instanceId", Some(json!("i-1a2b3c4d\n")), &["spec.target.instanceId", "should match"]),
            ("/spec/target/instanceId", None, &["spec.target.instanceId", "Required value"]),
            ("/spec/target/region", Some(json!("Ireland")), &["spec.target.region", "\"Ireland\"", "should match"]),
            (
                "/spec/target/region",
                Some(json!("eu-west-1a")),
                &["spec.target.region", "\"eu-west-1a\"", "should match"],
            ),
            (
                "/spec/target/accountRef",
                Some(json!("Prod_1")),
                &["spec.target.accountRef", "\"Prod_1\"", "should match"],
            ),
            ("/spec/target/accountRef", Some(json!("a".repeat(64))), &["spec.target.accountRef", "Too long", "63"]),
            (
                "/spec/target/roleArn",
                Some(json!("arn:aws:iam::111122223333:role/x")),
                &["unknown field \"spec.target.roleArn\""],
            ),
            ("/spec/level", None, &["spec.level", "Required value"]),
            (
                "/spec/level",
                Some(json!("Destroyed")),
                &["spec.level", "\"Destroyed\"", "\"Protected\"", "\"Isolated\"", "\"Released\""],
            ),
            ("/spec/level", Some(json!("isolated")), &["spec.level", "\"isolated\"", "supported values"]),
            (
                "/spec/autoScaling",
                Some(json!({"hold": "Kill"})),
                &["spec.autoScaling.hold", "\"Kill\"", "\"Standby\"", "\"ScaleInProtection\"", "\"Leave\""],
            ),
            (
                "/spec/autoScaling",
                Some(json!({"lowerMinimum": true})),
                &["spec.autoScaling", "lowerMinimum: true needs autoScaling.replace: false"],
            ),
            ("/spec/autoScaling", Some(json!({"minimum": 1})), &["unknown field \"spec.autoScaling.minimum\""]),
            (
                "/spec/isolation",
                Some(json!({"pulse": "Sometimes"})),
                &["spec.isolation.pulse", "\"Sometimes\"", "\"Auto\", \"Never\""],
            ),
            (
                "/spec/isolation",
                Some(json!({"metadataService": "Off"})),
                &["spec.isolation.metadataService", "\"Off\"", "\"Disable\", \"Leave\""],
            ),
            (
                "/spec/isolation",
                Some(json!({"credentials": {"sessions": "Revoke"}})),
                &["spec.isolation.credentials.sessions", "\"Revoke\"", "\"RevokeInstance\", \"RevokeRole\", \"Leave\""],
            ),
            (
                "/spec/isolation",
                Some(json!({"credentials": {"profile": "Detach"}})),
                &["spec.isolation.credentials.profile", "\"Detach\"", "\"Remove\", \"Leave\""],
            ),
            ("/spec/keepOpen", Some(json!(["Ssm"])), &["unknown field \"spec.keepOpen\""]),
            ("/spec/caseRef", Some(json!({"name": "c".repeat(41)})), &["spec.caseRef.name", "Too long", "40"]),
            ("/spec/requestedBy", Some(json!("")), &["spec.requestedBy"]),
            ("/spec/requestedBy", Some(json!("a".repeat(257))), &["spec.requestedBy", "Too long", "256"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn accounts() {
    let world = World::new().await;
    let base = with(world.aws_account(), "/metadata/name", Some(json!("another")));
    table(&world, &base, vec![
        ("/spec/accountId", Some(json!("1111")), &["spec.accountId", "\"1111\"", "'^[0-9]{12}$'"]),
        ("/spec/accountId", Some(json!(111_122_223_333_u64)), &["spec.accountId", "integer", "must be of type string"]),
        ("/spec/accountId", None, &["spec.accountId", "Required value"]),
        ("/spec/partition", Some(json!("azure")), &["spec.partition", "\"azure\"", "\"aws-us-gov\""]),
        ("/spec/partition", Some(json!("aws-cn")), &["spec.regions", "every Region must belong to partition 'aws-cn'"]),
        ("/spec/regions", Some(json!([])), &["spec.regions", "at least 1"]),
        ("/spec/regions", Some(json!(["eu-west-1", "eu-west-1"])), &["spec.regions[1]", "Duplicate value", "eu-west-1"]),
        ("/spec/regions", Some(json!(["everywhere"])), &["spec.regions[0]", "\"everywhere\"", "should match"]),
        ("/spec/regions", Some(json!(["cn-north-1"])), &["spec.regions", "partition 'aws'"]),
        (
            "/spec/role",
            Some(json!({"arn": "arn:aws:iam::444455556666:role/sequester"})),
            &["spec.role.arn", "'arn:aws:iam::444455556666:role/sequester'", "account '111122223333'"],
        ),
        ("/spec/role", Some(json!({"arn": "sequester"})), &["spec.role.arn", "\"sequester\"", "should match"]),
        ("/spec/endpointUrl", Some(json!("ftp://x")), &["spec.endpointUrl", "\"ftp://x\"", "should match"]),
        ("/spec/endpointUrl", Some(json!("http://user:pw@x")), &["spec.endpointUrl", "should match"]),
        ("/spec/allowedNamespaces", Some(json!(["a", "a"])), &["spec.allowedNamespaces[1]", "Duplicate value"]),
        ("/spec/allowedNamespaces", Some(json!(["*"])), &["spec.allowedNamespaces[0]", "\"*\"", "should match"]),
        ("/spec/approval", Some(json!({"required": ["Release"]})), &["spec.approval.required", "may list Isolate only"]),
        ("/spec/approval", Some(json!({"required": ["Dance"]})), &["spec.approval.required[0]", "\"Dance\"", "supported values"]),
        ("/spec/approval", Some(json!({"approvers": {"Isolate": 6}})), &["spec.approval.approvers.Isolate", "6", "less than or equal to 5"]),
        ("/spec/approval", Some(json!({"approvers": {"Isolate": 0}})), &["spec.approval.approvers.Isolate", "0", "greater than or equal to 1"]),
        ("/spec/approval", Some(json!({"approvers": {"isolate": 1}})), &["unknown field \"spec.approval.approvers.isolate\""]),
        ("/spec/evidence", Some(json!({"lock": {"days": 0}})), &["spec.evidence.lock.days", "greater than or equal to 1"]),
        ("/spec/evidence", Some(json!({"lock": {"days": 36_501}})), &["spec.evidence.lock.days", "36501", "36500"]),
        ("/spec/evidence", Some(json!({"lock": {"mode": "Soft"}})), &["spec.evidence.lock.mode", "\"Soft\"", "\"Governance\", \"Compliance\""]),
        (
            "/spec/evidence",
            Some(json!({"destinations": [{"accountRef": "f", "regions": ["eu-west-1"]}, {"accountRef": "f", "regions": ["eu-west-2"]}]})),
            &["spec.evidence.destinations[1]", "Duplicate value", "f"],
        ),
        ("/spec/evidence", Some(json!({"transferKeyArn": "alias/evidence"})), &["spec.evidence.transferKeyArn", "\"alias/evidence\"", "should match"]),
        ("/spec/naming", Some(json!({"groupPrefix": "sg-x"})), &["spec.naming.groupPrefix", "'sg-x'", "must not start with 'sg-'"]),
        ("/spec/naming", Some(json!({"groupPrefix": "${x}"})), &["spec.naming.groupPrefix", "should match"]),
        ("/spec/naming", Some(json!({"tagPrefix": "aws-x"})), &["spec.naming.tagPrefix", "'aws-x'", "must not start with 'aws'"]),
        ("/spec/budget", Some(json!({"share": 1.5})), &["spec.budget.share", "1.5", "less than or equal to 1"]),
        ("/spec/budget", Some(json!({"share": 0})), &["spec.budget.share", "must be from 0.1 to 1.0"]),
        ("/spec/recheck", Some(json!("1 hour")), &["spec.recheck", "\"1 hour\"", "should match"]),
        ("/spec/recheck", Some(json!("0s")), &["spec.recheck", "\"0s\"", "should match"]),
        ("/metadata/name", Some(json!("a".repeat(64))), &["metadata.name", "too long", "at most 63"]),
    ])
    .await;
}

#[tokio::test]
async fn evidence() {
    let world = World::new().await;
    let time = |text: &str| Some(json!({"mode": "Governance", "until": text}));
    table(
        &world,
        &world.evidence("disk"),
        vec![
            (
                "/spec/source",
                Some(json!({})),
                &["spec.source must have exactly one of instance and snapshots", "neither"],
            ),
            ("/spec/archiveAfterDays", Some(json!(-1)), &["spec.archiveAfterDays", "-1"]),
            (
                "/spec/source/instance/instanceId",
                Some(json!("web")),
                &["spec.source.instance.instanceId", "\"web\"", "should match"],
            ),
            (
                "/spec/source/instance/excludeVolumeIds",
                Some(json!(["vol-1a2b3c4d", "vol-1a2b3c4d"])),
                &["spec.source.instance.excludeVolumeIds[1]", "Duplicate value"],
            ),
            (
                "/spec/source/instance/excludeVolumeIds",
                Some((0..41).map(|n| json!(format!("vol-{n:08x}"))).collect()),
                &["spec.source.instance.excludeVolumeIds", "Too many", "41", "40"],
            ),
            ("/spec/moment", Some(json!("Later")), &["spec.moment", "\"Later\"", "\"AtOnce\", \"AfterIsolation\""]),
            ("/spec/lockDenied", Some(json!("Ignore")), &["spec.lockDenied", "\"Ignore\"", "\"Block\", \"Waive\""]),
            ("/spec/keyAccess", Some(json!("Both")), &["spec.keyAccess", "\"Both\"", "\"Grant\", \"KeyPolicy\""]),
            (
                "/spec/share",
                Some(json!([{"accountRef": "a"}, {"accountRef": "a"}])),
                &["spec.share[1]", "Duplicate value"],
            ),
            (
                "/spec/share",
                Some(json!([{"accountRef": "all users"}])),
                &["spec.share[0].accountRef", "\"all users\"", "should match"],
            ),
            (
                "/spec/copies",
                Some(json!([copy("eu-west-1", "eu-central-1")])),
                &["spec.copies[0].kmsKeyArn", "key/k", "must be a key in the Region of the copy, 'eu-west-1'"],
            ),
            (
                "/spec/copies",
                Some(json!([copy("eu-west-1", "eu-west-1"), copy("eu-west-1", "eu-west-1")])),
                &["spec.copies[1]", "Duplicate value"],
            ),
            (
                "/spec/copies",
                Some(json!([with(copy("eu-west-1", "eu-west-1"), "/kmsKeyArn", Some(json!("alias/evidence")))])),
                &["spec.copies[0].kmsKeyArn", "\"alias/evidence\"", "should match"],
            ),
            (
                "/spec/copies",
                Some(json!([with(copy("eu-west-1", "eu-west-1"), "/kmsKeyArn", None)])),
                &["spec.copies[0].kmsKeyArn", "Required value"],
            ),
            (
                "/spec/copies",
                Some(json!([with(copy("eu-west-1", "eu-west-1"), "/attempts", Some(json!(10)))])),
                &["spec.copies[0].attempts", "10", "less than or equal to 9"],
            ),
            ("/spec/lock", Some(json!({"mode": "Governance"})), &["spec.lock.until", "Required value"]),
            ("/spec/lock", time("tomorrow"), &["spec.lock.until", "\"tomorrow\""]),
            ("/spec/lock", time("2027-02-30T00:00:00Z"), &["spec.lock.until", "must be a date and time that exist"]),
            (
                "/spec/lock",
                time("2027-13-01T00:00:00Z"),
                &["spec.lock.until", "\"2027-13-01T00:00:00Z\"", "should match"],
            ),
            (
                "/spec/lock",
                Some(json!({"until": ["2027-11-24T00:00:00Z"]})),
                &["spec.lock.until", "must be of type string"],
            ),
            ("/spec/lock", time("2027-11-24T00:00:00"), &["spec.lock.until", "\"2027-11-24T00:00:00\""]),
            ("/spec/lock", time("9999-12-31T23:59:59Z"), &["spec.lock.until", "should match"]),
            ("/spec/retainUntil", Some(json!("2027-11-24")), &["spec.retainUntil", "\"2027-11-24\""]),
            ("/spec/legalHold", Some(json!("yes")), &["spec.legalHold", "must be of type boolean"]),
            ("/spec/kmsKeyArn", Some(json!("x")), &["unknown field \"spec.kmsKeyArn\""]),
        ],
    )
    .await;
}

#[tokio::test]
async fn cases() {
    let world = World::new().await;
    let host =
        |n: usize| json!({"accountRef": world.account, "region": "eu-west-1", "instanceId": format!("i-{n:08x}")});
    table(
        &world,
        &world.case("miner"),
        vec![
            ("/spec/targets", Some((0..129).map(host).collect()), &["spec.targets", "Too many", "129", "128"]),
            ("/spec/targets", Some(json!([])), &["spec.targets", "at least 1"]),
            (
                "/spec/targets",
                Some(json!([host(1), host(2), host(1)])),
                &["spec.targets[2]", "Duplicate value", "i-00000001"],
            ),
            (
                "/spec/targets",
                Some(json!([host(1), with(host(1), "/region", Some(json!("eu-west-2")))])),
                &["spec.targets", "lists an instanceId more than once"],
            ),
            (
                "/spec/targets/0/instanceId",
                Some(json!("web-1")),
                &["spec.targets[0].instanceId", "\"web-1\"", "should match"],
            ),
            (
                "/spec/targets/0/endpointUrl",
                Some(json!("http://x")),
                &["unknown field \"spec.targets[0].endpointUrl\""],
            ),
            ("/spec/title", None, &["spec.title", "Required value"]),
            ("/spec/title", Some(json!(" ")), &["spec.title", "should match"]),
            ("/spec/title", Some(json!("a\nb")), &["spec.title", "should match"]),
            ("/spec/title", Some(json!("x".repeat(129))), &["spec.title", "Too long", "128"]),
            ("/spec/severity", Some(json!("Awful")), &["spec.severity", "\"Awful\"", "\"Critical\""]),
            (
                "/spec/containment",
                Some(json!({"autoScaling": {"lowerMinimum": true}})),
                &["spec.containment.autoScaling", "lowerMinimum: true needs autoScaling.replace: false"],
            ),
            (
                "/spec/evidence",
                Some(json!({"moments": ["AtOnce", "AtOnce"]})),
                &["spec.evidence.moments[1]", "Duplicate value"],
            ),
            ("/spec/evidence", Some(json!({"keyAccess": "Both"})), &["spec.evidence.keyAccess", "\"Both\""]),
            ("/spec/evidence", Some(json!({"bucket": "x"})), &["unknown field \"spec.evidence.bucket\""]),
            ("/metadata/name", Some(json!("c".repeat(41))), &["metadata.name", "too long", "at most 40"]),
        ],
    )
    .await;
    let many: Value = (0..128).map(host).collect();
    accepted("128 targets", world.dry_run(ALICE, with(world.case("big"), "/spec/targets", Some(many))).await);
}

#[tokio::test]
async fn approvals() {
    let world = World::new().await;
    table(
        &world,
        &world.approval("ok"),
        vec![
            ("/spec/subject/kind", Some(json!("Pod")), &["spec.subject.kind", "\"Pod\"", "\"ForensicCase\""]),
            ("/spec/subject/uid", None, &["spec.subject.uid", "Required value"]),
            ("/spec/action", Some(json!("Isolated")), &["spec.action", "\"Isolated\"", "\"Isolate\""]),
            ("/spec/planHash", Some(json!("sha256:abc")), &["spec.planHash", "\"sha256:abc\"", "should match"]),
            ("/spec/decision", Some(json!("Maybe")), &["spec.decision", "\"Maybe\"", "\"Approve\", \"Deny\""]),
            ("/spec/reason", Some(json!("")), &["spec.reason"]),
            ("/spec/reason", Some(json!(" \n")), &["spec.reason", "should match"]),
            ("/spec/reason", None, &["spec.reason", "Required value"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_left_out_has_the_documented_default() {
    let world = World::new().await;
    let case = accepted("case", world.create(ALICE, world.case("miner")).await);
    assert_eq!(case["spec"]["severity"], "High");
    assert_eq!(
        case["spec"]["containment"],
        json!({
            "level": "Isolated",
            "isolation": {
                "publicAddress": "Remove", "pulse": "Auto", "metadataService": "Disable",
                "credentials": {"sessions": "RevokeInstance", "profile": "Leave"},
            },
            "autoScaling": {"hold": "Standby", "replace": true, "lowerMinimum": false},
        })
    );
    assert_eq!(
        case["spec"]["evidence"],
        json!({"moments": ["AtOnce", "AfterIsolation"], "keyAccess": "Grant", "lockDenied": "Block", "legalHold": true, "verify": "Digest"})
    );
    let empty =
        with(with(world.case("empty"), "/spec/containment", Some(json!({}))), "/spec/evidence", Some(json!({})));
    let empty = accepted("empty blocks", world.create(ALICE, empty).await);
    assert_eq!(empty["spec"]["containment"], case["spec"]["containment"]);
    assert_eq!(empty["spec"]["evidence"], case["spec"]["evidence"]);
    // Items of lists are stored as they were written.
    assert_eq!(
        case["spec"]["targets"],
        json!([{"accountRef": world.account, "region": "eu-west-1", "instanceId": INSTANCE}])
    );
    for object in [
        case,
        accepted("quarantine", world.create(ALICE, world.quarantine("web")).await),
        accepted("evidence", world.create(ALICE, world.evidence("disk")).await),
        accepted("approval", world.create(BOB, world.approval("ok")).await),
        accepted("account", world.get(ADMIN, &world.aws_account()).await),
    ] {
        assert_eq!(object["status"], json!({"observedGeneration": -1}), "{}", object["kind"]);
    }
}
