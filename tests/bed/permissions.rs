//! The judge of policies: what it allows, what it refuses, and that it passes over nothing that it does not understand.

use super::scene::Scene;
use crate::support::aws::{Answer, Aws, ok, refused, tag};
use crate::support::proxy::{Ask, Outcome, Policy};
use sequester::api::aws_account::Partition;
use sequester::api::ids::AccountId;
use sequester::cloud::iam::{Names, Policy as Shipped, Role};
use serde_json::{Value, json};
use std::panic::catch_unwind;

fn policy(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Whether a policy of one statement speaks of what is asked: action, resource, keys with their values by commas.
fn speaks(statement: &Value, action: &str, resource: &str, keys: &[(&str, &str)]) -> bool {
    let mut whole = json!({"Sid": "One", "Effect": "Allow", "Action": "a:B", "Resource": "*"});
    whole.as_object_mut().unwrap().extend(statement.as_object().unwrap().clone());
    let keys = keys.iter().map(|(key, values)| ((*key).to_owned(), values.split(',').map(str::to_owned).collect()));
    let ask = Ask { action: action.to_owned(), resource: resource.to_owned(), keys: keys.collect() };
    Policy::parse(&policy(&json!([whole]))).matches(&ask).count() == 1
}

#[test]
fn actions_and_resources_are_matched_as_iam_does() {
    let one = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1";
    for (statement, action, resource, expected) in [
        (json!({}), "a:B", "*", true),
        (json!({}), "a:Bc", "*", false),
        (json!({"Action": ["x:Y", "A:b"]}), "a:B", one, true),
        (json!({"Action": "a:*"}), "a:B", one, true),
        (json!({"Resource": one}), "a:B", one, true),
        (json!({"Resource": one}), "a:B", "*", false),
        (json!({"Resource": "arn:aws:ec2:*:111122223333:instance/*"}), "a:B", one, true),
        (json!({"Resource": "arn:aws:ec2:eu-west-?:111122223333:instance/*"}), "a:B", one, true),
        (json!({"Resource": "arn:aws:ec2:*:444455556666:instance/*"}), "a:B", one, false),
        (json!({"Resource": "arn:aws:ec2:*:111122223333:volume/*"}), "a:B", one, false),
        (json!({"Resource": "arn:aws:ec2:*:instance/*"}), "a:B", one, false),
        (json!({"Resource": "arn:aws:ec2:*::snapshot/*"}), "a:B", "arn:aws:ec2:eu-west-1::snapshot/snap-1", true),
    ] {
        assert_eq!(speaks(&statement, action, resource, &[]), expected, "{statement} of {action} on {resource}");
    }
}

#[test]
fn conditions_hold_as_iam_says() {
    let is = |operator: &str, values: Value| json!({"Condition": {operator: {"k:Key": values}}});
    for (statement, given, expected) in [
        (is("StringEquals", json!("x")), Some("x"), true),
        (is("StringEquals", json!(["w", "x"])), Some("x"), true),
        (is("StringEquals", json!("x")), Some("X"), false),
        (is("StringEquals", json!("x")), None, false),
        (is("StringLike", json!("x*")), Some("xyz"), true),
        (is("StringLike", json!("x?")), Some("xyz"), false),
        (is("Null", json!("true")), None, true),
        (is("Null", json!("true")), Some("x"), false),
        (is("Null", json!("false")), Some("x"), true),
        (is("Null", json!("false")), None, false),
        (is("ForAllValues:StringEquals", json!(["x", "y"])), Some("x,y"), true),
        (is("ForAllValues:StringEquals", json!(["x", "y"])), Some("x,z"), false),
        (is("ForAllValues:StringEquals", json!("x")), None, true),
        (is("ForAnyValue:StringEquals", json!("x")), Some("x,z"), true),
        (is("ForAnyValue:StringEquals", json!("x")), Some("z"), false),
        (is("ForAnyValue:StringEquals", json!("x")), None, false),
    ] {
        let keys: Vec<(&str, &str)> = given.map(|given| ("K:key", given)).into_iter().collect();
        assert_eq!(speaks(&statement, "a:B", "*", &keys), expected, "{statement} of {given:?}");
    }
    let several = is("StringEquals", json!("x"));
    assert!(catch_unwind(|| speaks(&several, "a:B", "*", &[("k:Key", "x,y")])).is_err(), "no set operator");
}

#[test]
fn what_is_not_understood_is_a_panic() {
    for strange in [
        json!({"NotAction": "a:B"}),
        json!({"NotResource": "*"}),
        json!({"Principal": "*"}),
        json!({"Effect": "Perhaps"}),
        json!({"Action": []}),
        json!({"Condition": {"StringEqualsIfExists": {"k:Key": "x"}}}),
        json!({"Condition": {"NumericLessThan": {"k:Key": "5"}}}),
        json!({"Condition": {"ForSomeValues:StringEquals": {"k:Key": "x"}}}),
        json!({"Condition": {"StringEquals": {"k:Key": "${aws:PrincipalTag/x}"}}}),
        json!({"Condition": {"Null": {"k:Key": "maybe"}}}),
    ] {
        assert!(catch_unwind(|| speaks(&strange, "a:B", "*", &[])).is_err(), "{strange}");
    }
}

/// Somebody who assumed a role with a policy of these statements.
async fn role(scene: &Scene, statements: &Value) -> Aws {
    role_with(scene, &[policy(statements)]).await
}

async fn role_with(scene: &Scene, policies: &[String]) -> Aws {
    let account = &scene.credentials.account;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}}]});
    let create = [("RoleName", "judged"), ("AssumeRolePolicyDocument", &*trust.to_string())];
    ok(scene.through.query("iam", "2010-05-08", "CreateRole", &create).await);
    let arn = format!("arn:aws:iam::{account}:role/judged");
    scene.bed.emulator.principals().roles.may(&arn, policies.iter().map(String::as_str));
    let assume = [("RoleArn", arn.as_str()), ("RoleSessionName", "bed")];
    let reply = ok(scene.through.query("sts", "2011-06-15", "AssumeRole", &assume).await);
    Aws {
        access_key: tag(&reply, "AccessKeyId").to_owned(),
        token: Some(tag(&reply, "SessionToken").to_owned()),
        ..scene.through.clone()
    }
}

#[tokio::test]
async fn a_role_is_refused_what_it_is_not_allowed_in_the_words_of_each_service() {
    let scene = Scene::new().await;
    let judged = role(
        &scene,
        &json!([
            {"Sid": "Look", "Effect": "Allow", "Action": "ec2:DescribeSnapshots", "Resource": "*"},
            {"Sid": "Not", "Effect": "Deny", "Action": "kms:*", "Resource": "*"},
            {"Sid": "But", "Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"},
        ]),
    )
    .await;
    ok(judged.ec2("DescribeSnapshots", &[("Owner.1", "self")]).await);
    let key = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000";
    for (answer, status, code, action) in [
        (judged.ec2("DescribeInstances", &[]).await, 403, "UnauthorizedOperation", "ec2:DescribeInstances"),
        (
            judged.ec2("DeleteSnapshot", &[("SnapshotId", "snap-1")]).await,
            403,
            "UnauthorizedOperation",
            "DeleteSnapshot",
        ),
        (
            judged.query("autoscaling", "2011-01-01", "DescribeAutoScalingGroups", &[]).await,
            403,
            "AccessDenied",
            "autoscaling:DescribeAutoScalingGroups",
        ),
        (
            judged.json("kms", "TrentService.DescribeKey", &json!({"KeyId": key}).to_string()).await,
            400,
            "AccessDeniedException",
            "kms:DescribeKey",
        ),
    ] {
        let (found, body) = refused(answer);
        assert_eq!(found, status, "{body}");
        assert!(
            body.contains(code) && body.contains("is not authorized to perform: ") && body.contains(action),
            "{body}"
        );
    }
    let calls = scene.proxy.calls();
    let looked = calls.iter().find(|call| call.operation == "DescribeSnapshots").unwrap();
    assert_eq!(looked.permissions, [("ec2:DescribeSnapshots".to_owned(), "Look".to_owned())].into());
    let judged: Vec<_> = calls.iter().filter(|call| call.faults.contains(&"not permitted")).collect();
    assert_eq!(judged.len(), 4);
    assert!(judged.iter().all(|call| call.applied.is_none() && matches!(call.outcome, Outcome::Replied { .. })));
    // Who is no role with policies is not judged.
    ok(scene.through.ec2("DescribeInstances", &[]).await);
}

/// What a call makes, its tags, and what is tagged already are asked for apart.
#[tokio::test]
async fn tags_decide_as_they_are() {
    let scene = Scene::new().await;
    let ours = json!({"Null": {"aws:ResourceTag/ops:operation": "false"}});
    let judged = role(
        &scene,
        &json!([
            {"Sid": "Lock", "Effect": "Allow", "Action": "ec2:LockSnapshot", "Resource": "arn:aws:ec2:*::snapshot/*",
             "Condition": ours},
            {"Sid": "Make", "Effect": "Allow", "Action": "ec2:CreateSecurityGroup", "Resource": "arn:aws:ec2:*:*:*"},
        ]),
    )
    .await;
    let volume = scene.through.new_volume().await;
    let snapshot = tag(&ok(scene.through.snapshot(&volume).await), "snapshotId").to_owned();
    let lock = [("SnapshotId", snapshot.as_str()), ("LockMode", "governance"), ("LockDuration", "1")];
    refused(judged.ec2("LockSnapshot", &lock).await);
    let tagged = [("ResourceId.1", snapshot.as_str()), ("Tag.1.Key", "ops:operation"), ("Tag.1.Value", "x")];
    ok(scene.through.ec2("CreateTags", &tagged).await);
    ok(judged.ec2("LockSnapshot", &lock).await);

    let vpc = tag(&ok(scene.through.ec2("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).await), "vpcId").to_owned();
    let plain = [("GroupName", "g"), ("GroupDescription", "d"), ("VpcId", vpc.as_str())];
    ok(judged.ec2("CreateSecurityGroup", &plain).await);
    let with = [
        ("GroupName", "h"),
        ("GroupDescription", "d"),
        ("VpcId", vpc.as_str()),
        ("TagSpecification.1.ResourceType", "security-group"),
        ("TagSpecification.1.Tag.1.Key", "ops:operation"),
        ("TagSpecification.1.Tag.1.Value", "x"),
    ];
    let (_, body) = refused(judged.ec2("CreateSecurityGroup", &with).await);
    assert!(body.contains("ec2:CreateTags"), "{body}");
}

/// The action, where it was refused by the judge; none where it came as far as the emulator.
fn judged(answer: Answer) -> Option<String> {
    let (_, body) = answer.expect("a reply");
    let (_, action) = body.split_once("is not authorized to perform: ")?;
    action.split([' ', '"']).next().map(ToOwned::to_owned)
}

/// The shipped policy, and what a stolen session of the controller's would try with it.
#[tokio::test]
async fn the_shipped_policy_gives_nothing_to_strangers() {
    let scene = Scene::new().await;
    let names = Names {
        partition: Partition::Aws,
        account: AccountId::parse(&scene.credentials.account).unwrap(),
        tag_prefix: "ops".to_owned(),
        destinations: vec![AccountId::parse("444455556666").unwrap()],
    };
    let shipped: Vec<String> =
        Shipped::of(Role::Responder, &names).iter().map(|policy| policy.text().unwrap()).collect();
    let thief = role_with(&scene, &shipped).await;
    let volume = scene.through.new_volume().await;
    let (ours, other) = (scene.through.snapshot(&volume).await, scene.through.snapshot(&volume).await);
    let (ours, other) = (tag(&ok(ours), "snapshotId").to_owned(), tag(&ok(other), "snapshotId").to_owned());
    let tagged = [("ResourceId.1", ours.as_str()), ("Tag.1.Key", "ops:operation"), ("Tag.1.Value", "x")];
    ok(scene.through.ec2("CreateTags", &tagged).await);

    let share = async |snapshot: &str, operation: &str, who: &[(&str, &str)]| {
        let given = [("SnapshotId", snapshot), ("Attribute", "createVolumePermission"), ("OperationType", operation)];
        judged(thief.ec2("ModifySnapshotAttribute", &[&given[..], who].concat()).await)
    };
    let (friend, stranger) = (("UserId.1", "444455556666"), ("UserId.1", "999999999999"));
    let public = ("UserGroup.1", "all");
    let refused = Some("ec2:ModifySnapshotAttribute".to_owned());
    assert_eq!(share(&ours, "add", &[friend]).await, None);
    assert_eq!(share(&ours, "add", &[stranger]).await, refused);
    assert_eq!(share(&ours, "add", &[friend, ("UserId.2", stranger.1)]).await, refused, "one of them is a stranger");
    assert_eq!(share(&ours, "add", &[public]).await, refused);
    assert_eq!(share(&ours, "add", &[friend, public]).await, refused);
    assert_eq!(share(&other, "add", &[friend]).await, refused, "not ours");
    assert_eq!(share(&other, "remove", &[stranger, public]).await, None, "takes away alone");

    let lock = [("SnapshotId", other.as_str()), ("LockMode", "governance"), ("LockDuration", "1")];
    assert_eq!(judged(thief.ec2("LockSnapshot", &lock).await).as_deref(), Some("ec2:LockSnapshot"), "not ours");
    let open = [("GroupId", "sg-00000001"), ("IpPermissions.1.IpProtocol", "-1")];
    let opened = judged(thief.ec2("AuthorizeSecurityGroupIngress", &open).await);
    assert_eq!(opened.as_deref(), Some("ec2:AuthorizeSecurityGroupIngress"), "not ours");

    let read = async |snapshot: &str, what: &str| {
        judged(thief.rest("ebs", "GET", &format!("/snapshots/{snapshot}/{what}"), "").await)
    };
    assert_eq!(read(&ours, "blocks").await, None);
    assert_eq!(read(&other, "blocks").await.as_deref(), Some("ebs:ListSnapshotBlocks"), "not ours");
    assert_eq!(read(&other, "blocks/0?blockToken=x").await.as_deref(), Some("ebs:GetSnapshotBlock"), "not ours");

    let update = async |more: &[(&str, &str)]| {
        let group = [("AutoScalingGroupName", "web"), ("MinSize", "0")];
        judged(thief.query("autoscaling", "2011-01-01", "UpdateAutoScalingGroup", &[&group[..], more].concat()).await)
    };
    let refused = Some("autoscaling:UpdateAutoScalingGroup".to_owned());
    assert_eq!(update(&[]).await, None);
    assert_eq!(update(&[("MaxSize", "0")]).await, refused);
    assert_eq!(update(&[("LaunchConfigurationName", "mine")]).await, refused);

    let grant = async |grantee: &str, operations: &[&str]| {
        let key = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000";
        let asked = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": operations});
        judged(thief.json("kms", "TrentService.CreateGrant", &asked.to_string()).await)
    };
    let refused = Some("kms:CreateGrant".to_owned());
    assert_eq!(grant("arn:aws:iam::444455556666:root", &["Decrypt", "DescribeKey"]).await, None);
    assert_eq!(grant("arn:aws:iam::999999999999:root", &["Decrypt"]).await, refused, "a stranger");
    assert_eq!(grant("arn:aws:iam::444455556666:root", &["Decrypt", "Sign"]).await, refused, "more than copying");
}
