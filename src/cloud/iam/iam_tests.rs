use super::*;

/// What no role may ever do, and what would undo what evidence stands on.
const DESTRUCTIVE: &[&str] = &[
    "DeleteSnapshot",
    "UnlockSnapshot",
    "ResetSnapshotAttribute",
    "RestoreSnapshotTier",
    "DeregisterImage",
    "DeleteVolume",
    "DeleteTags",
    "DeleteSecurityGroup",
    "TerminateInstances",
    "StopInstances",
    "RebootInstances",
    "DeleteObject",
    "DeleteObjectVersion",
    "PutObjectRetention",
    "PutObjectLegalHold",
    "BypassGovernanceRetention",
    "ScheduleKeyDeletion",
    "DisableKey",
    "DisableSnapshotBlockPublicAccess",
    "TerminateInstanceInAutoScalingGroup",
    "DeleteAutoScalingGroup",
];

fn names(destinations: &[&str]) -> Names {
    Names {
        partition: Partition::Aws,
        account: AccountId::parse("111122223333").unwrap(),
        tag_prefix: "ops".to_owned(),
        destinations: destinations.iter().map(|id| AccountId::parse(id).unwrap()).collect(),
    }
}

fn policies() -> [Policy; 2] {
    Role::ALL.map(|role| whole(role, &names(&["444455556666"])))
}

/// All policies of a role as one.
fn whole(role: Role, names: &Names) -> Policy {
    let statement = Policy::of(role, names).into_iter().flat_map(|policy| policy.statement).collect();
    Policy { version: "2012-10-17", statement }
}

fn allowed_actions(policy: &Policy) -> BTreeSet<&str> {
    policy.statement.iter().flat_map(|statement| &statement.action).map(String::as_str).collect()
}

#[test]
fn no_action_is_a_pattern_and_none_destroys() {
    for action in policies().iter().flat_map(allowed_actions) {
        let (service, name) = action.split_once(':').unwrap();
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(plain(service) && plain(name), "{action}");
        assert!(!DESTRUCTIVE.contains(&name), "{action}");
    }
}

#[test]
fn every_change_is_bound_to_a_resource() {
    let reads: BTreeSet<&str> = READ_ACTIONS.iter().flat_map(|(_, actions)| *actions).copied().collect();
    for policy in policies() {
        for statement in &policy.statement {
            let looks = statement.action.iter().all(|action| reads.contains(action.as_str()));
            let whole = statement.resource.iter().any(|on| !on.starts_with("arn:aws:") || on.ends_with(":*"));
            assert!(looks || !whole, "{statement:?}");
            assert!(!statement.resource.concat().contains('{'), "{statement:?}");
            assert!(statement.sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{}: IAM takes no other", statement.sid);
        }
        let sids: BTreeSet<_> = policy.statement.iter().map(|statement| statement.sid).collect();
        assert_eq!(sids.len(), policy.statement.len(), "IAM takes each Sid once");
        assert!(!policy.statement.is_empty(), "IAM takes no policy without a statement");
    }
}

/// Only lists: AWS binds them to no resource.
#[test]
fn what_is_on_everything_shows_no_more_than_a_list() {
    for policy in policies() {
        for statement in policy.statement.iter().filter(|statement| statement.resource == ["*"]) {
            for action in &statement.action {
                let name = action.split_once(':').map_or("", |(_, name)| name);
                let plain = ["GetCallerIdentity", "GetSerialConsoleAccessStatus", "GetSnapshotBlockPublicAccessState"]
                    .contains(&name);
                assert!(name.starts_with("Describe") || name.starts_with("List") || plain, "{action}");
                assert!(!action.starts_with("kms:"), "{action}: a key can be named");
            }
        }
    }
}

/// What makes, locks, gives away or opens is bound to our tag; what is made has it from birth.
#[test]
fn what_reaches_beyond_the_host_is_bound_by_a_condition() {
    let [responder, _] = policies();
    let conditions = |action: &str| {
        let all = responder.statement.iter().filter(|statement| statement.action.iter().any(|one| one == action));
        all.map(|statement| serde_json::to_string(&statement.condition).unwrap()).collect::<Vec<_>>()
    };
    let (born, ours) =
        ("\"aws:RequestTag/ops:operation\":[\"false\"]", "\"aws:ResourceTag/ops:operation\":[\"false\"]");
    for (action, words) in [
        ("ec2:CreateSecurityGroup", &[born][..]),
        ("ec2:CreateSnapshots", &[born]),
        ("ec2:CreateTags", &[born, "ec2:CreateAction"]),
        ("ec2:AuthorizeSecurityGroupIngress", &[ours]),
        ("ec2:AuthorizeSecurityGroupEgress", &[ours]),
        ("ec2:LockSnapshot", &[ours]),
        ("ec2:ModifySnapshotTier", &[ours]),
        ("kms:CreateGrant", &["kms:GrantOperations", "\"kms:GranteePrincipal\":[\"arn:aws:iam::444455556666:root\"]"]),
        ("kms:PutKeyPolicy", &["\"Null\":{\"kms:BypassPolicyLockoutSafetyCheck\":[\"true\"]}"]),
        ("ebs:GetSnapshotBlock", &[ours]),
        ("ebs:ListSnapshotBlocks", &[ours]),
        ("kms:Decrypt", &["\"kms:EncryptionContext:aws:ebs:id\":[\"false\"]"]),
        ("autoscaling:UpdateAutoScalingGroup", &["\"autoscaling:MaxSize\":[\"true\"]"]),
    ] {
        assert!(conditions(action).iter().any(|found| words.iter().all(|word| found.contains(word))), "{action}");
    }
    let shares = conditions("ec2:ModifySnapshotAttribute");
    assert_eq!(shares.len(), 2);
    for share in shares {
        assert!(share.contains("\"ec2:Add/group\":[\"true\"]"), "never public: {share}");
        let nobody = share.contains("\"Null\":{\"ec2:Add/group\":[\"true\"],\"ec2:Add/userId\":[\"true\"]}");
        assert!(nobody || share.contains(ours) && share.contains("\"ec2:Add/userId\":[\"444455556666\"]"), "{share}");
    }
}

#[test]
fn who_shares_with_nobody_may_give_nothing_away() {
    let alone = whole(Role::Responder, &names(&[]));
    assert!(!allowed_actions(&alone).contains("kms:ReEncryptFrom"));
    let grants = |statement: &&Allowed| statement.action.iter().any(|action| action == "kms:CreateGrant");
    for statement in alone.statement.iter().filter(grants) {
        assert!(
            statement.condition["Bool"].contains_key("kms:GrantIsForAWSResource"),
            "to nobody but AWS: {statement:?}"
        );
    }
    assert!(!allowed_actions(&alone).contains("kms:PutKeyPolicy"));
    let sids: Vec<_> = alone.statement.iter().map(|statement| statement.sid).collect();
    assert!(!sids.contains(&"ShareOurSnapshots") && sids.contains(&"UnshareSnapshots"));
}

#[test]
fn each_fits_into_a_managed_policy() {
    // More than anybody has: 16 destinations, and the longest prefix.
    let many: Vec<String> = (0..16).map(|n| format!("4444555566{n:02}")).collect();
    let most = Names { tag_prefix: "p".repeat(32), ..names(&many.iter().map(String::as_str).collect::<Vec<_>>()) };
    let most = Names { partition: Partition::AwsUsGov, ..most };
    for role in Role::ALL {
        let all = Policy::of(role, &most);
        for policy in &all {
            assert!(policy.size() < LIMIT, "{role:?}: {}", policy.size());
        }
        // What a role may have attached, without asking AWS for more (IAM guide, quotas).
        assert!(all.len() <= 10, "{role:?}: {}", all.len());
        let split: Vec<Allowed> = all.iter().flat_map(|policy| policy.statement.clone()).collect();
        let sids: BTreeSet<&str> = split.iter().map(|statement| statement.sid).collect();
        assert_eq!(sids.len(), split.len(), "each statement once");
        assert_eq!(split.len(), policies()[role as usize].statement.len(), "and all of them");
    }
    assert_eq!(Policy::of(Role::Responder, &most).len(), 2, "one is too long");
}

#[test]
fn every_read_has_its_reader() {
    let asked: Vec<_> = READ_ACTIONS.iter().map(|(reader, _)| *reader).collect();
    let known: Vec<_> = READERS.iter().map(|(reader, _)| *reader).collect();
    assert_eq!(asked, known);
    let [responder, forensics] = policies();
    assert!(allowed_actions(&responder).contains("ec2:DescribeInstances"));
    assert!(!allowed_actions(&responder).contains("ebs:ListChangedBlocks"), "an examiner's");
    assert!(allowed_actions(&forensics).contains("ec2:CopySnapshot"));
    assert!(!allowed_actions(&forensics).contains("ec2:ModifySnapshotAttribute"), "shares with nobody");
}

#[test]
fn another_partition_and_prefix_are_named_everywhere() {
    let names = Names { partition: Partition::AwsCn, tag_prefix: "net".to_owned(), ..names(&["444455556666"]) };
    let text = whole(Role::Responder, &names).text().unwrap();
    assert!(
        text.contains("arn:aws-cn:ec2:*:111122223333:instance/*") && text.contains("arn:aws-cn:iam::444455556666:root")
    );
    assert!(text.contains("aws:ResourceTag/net:operation") && !text.contains("arn:aws:") && !text.contains("ops:"));
}
