use super::*;

/// Given a value, expect it taken (`true`) or refused.
fn table<T>(parse: fn(&str) -> Result<T, IdError>, rows: &[(&str, bool)]) {
    for (value, taken) in rows {
        assert_eq!(parse(value).is_ok(), *taken, "{value:?}");
    }
}

#[test]
fn accounts() {
    table(
        AccountId::parse,
        &[
            ("111122223333", true),
            ("000000000000", true),
            ("11112222333", false),
            ("1111222233334", false),
            ("11112222333a", false),
            ("١١١١٢٢٢٢٣٣٣٣", false),
            ("", false),
        ],
    );
}

#[test]
fn regions() {
    table(
        RegionName::parse,
        &[
            ("eu-west-1", true),
            ("us-gov-east-1", true),
            ("ap-southeast-12", true),
            ("us-isob-east-1", true),
            ("eusc-de-east-1", true),
            ("eu-west", false),
            ("eu-west-1a", false),
            ("EU-WEST-1", false),
            ("eu--1", false),
            ("eu-west-", false),
            ("-west-1", false),
            ("eu-west-1\n", false),
            ("local", false),
        ],
    );
}

#[test]
fn resources() {
    table(
        InstanceId::parse,
        &[
            ("i-0123456789abcdef0", true),
            ("i-1a2b3c4d", true),
            ("i-0123456789ABCDEF0", false),
            ("i-0123456789abcdef", false),
            ("i-", false),
            ("vol-0123456789abcdef0", false),
            (" i-1a2b3c4d", false),
            ("i-1a2b3c4d\n", false),
        ],
    );
    table(VolumeId::parse, &[("vol-0123456789abcdef0", true), ("i-1a2b3c4d", false)]);
    table(SnapshotId::parse, &[("snap-0123456789abcdef0", true), ("snap-xyz", false)]);
    table(SecurityGroupId::parse, &[("sg-1a2b3c4d", true), ("sg1a2b3c4d", false)]);
    table(AllocationId::parse, &[("eipalloc-0123456789abcdef0", true), ("eipalloc-", false), ("eip-12345678", false)]);
    table(InterfaceId::parse, &[("eni-0123456789abcdef0", true), ("eni-", false)]);
    table(VpcId::parse, &[("vpc-1a2b3c4d", true), ("vpc-1a2b3c4", false)]);
    table(SubnetId::parse, &[("subnet-0123456789abcdef0", true), ("subnet-0123456789abcdef01", false)]);
}

#[test]
fn arns() {
    table(
        KeyArn::parse,
        &[
            ("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("arn:aws:kms:eu-west-1:111122223333:alias/evidence", false),
            ("arn:aws:kms:eu-west-1:1111:key/1234abcd", false),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", false),
        ],
    );
    table(
        RoleArn::parse,
        &[
            ("arn:aws:iam::111122223333:role/sequester", true),
            ("arn:aws-cn:iam::111122223333:role/path/to/sequester@x", true),
            ("arn:aws:iam::111122223333:user/alice", false),
            ("arn:aws:iam::111122223333:role/", false),
            ("arn:aws:iam::111122223333:role/a b", false),
            ("arn:aws:sts::111122223333:assumed-role/x/y", false),
        ],
    );
    let key = KeyArn::parse("arn:aws:kms:eu-west-1:111122223333:key/1234abcd").unwrap();
    assert_eq!((key.account(), key.region()), ("111122223333", "eu-west-1"));
}

#[test]
fn digests() {
    let hex = "0123456789abcdef".repeat(4);
    let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
    assert_eq!(digest.hex(), hex);
    table(Digest::parse, &[(hex.as_str(), false), ("sha256:", false), ("sha512:00", false)]);
    assert!(Digest::parse(&format!("sha256:{}", hex.to_uppercase())).is_err());
}

#[test]
fn an_error_names_kind_value_and_rule() {
    let error = InstanceId::parse("i-xyz").unwrap_err().to_string();
    assert_eq!(
        error,
        "instance id: \"i-xyz\" is not valid: an instance id is i- followed by 8 or 17 hexadecimal digits in lower case"
    );
    let long = InstanceId::parse(&"x".repeat(10_000)).unwrap_err();
    assert_eq!(long.value.len(), 128);
}

#[test]
fn serde_checks_too() {
    assert!(serde_json::from_str::<InstanceId>("\"i-1a2b3c4d\"").is_ok());
    assert!(serde_json::from_str::<InstanceId>("\"nonsense\"").is_err());
    let id = InstanceId::parse("i-1a2b3c4d").unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"i-1a2b3c4d\"");
}
